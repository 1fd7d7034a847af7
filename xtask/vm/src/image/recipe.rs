//! The recipe of an initramfs (the format of the kernel's `usr/gen_init_cpio.c`, of which the lines
//! `dir`, `nod`, `slink` and `file` are understood), and the archive that it makes.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use cpio::newc::{self, ModeFileType};

use harness_host::paths;

/// One line of the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path in the guest.
    pub(super) path: String,
    kind: Kind,
    mode: u32,
    uid: u32,
    gid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    CharDevice { major: u32, minor: u32 },
    Link { target: String },
    Agent,
    Bytes(Vec<u8>),
}

impl Entry {
    /// A folder of root's.
    pub fn folder(path: &str) -> Self {
        Self { path: path.to_owned(), kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0 }
    }

    /// A file of root's.
    pub fn file(path: &str, bytes: Vec<u8>, mode: u32) -> Self {
        Self { path: path.to_owned(), kind: Kind::Bytes(bytes), mode, uid: 0, gid: 0 }
    }

    /// A symbolic link.
    pub fn link(path: &str, target: &str) -> Self {
        let kind = Kind::Link { target: target.to_owned() };
        Self { path: path.to_owned(), kind, mode: 0o777, uid: 0, gid: 0 }
    }
}

/// Reads a recipe.
///
/// # Errors
///
/// Names the first line that is not understood.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        entries.push(parse_line(line).with_context(|| format!("line {}: {line}", number + 1))?);
    }
    ensure!(entries.iter().any(|entry| entry.kind == Kind::Agent), "no line holds the agent");
    Ok(entries)
}

fn parse_line(line: &str) -> Result<Entry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (path, kind, mode, uid, gid) = match fields[..] {
        ["dir", path, mode, uid, gid] => (path, Kind::Directory, mode, uid, gid),
        ["nod", path, mode, uid, gid, "c", major, minor] => {
            let kind = Kind::CharDevice { major: number(major, 10)?, minor: number(minor, 10)? };
            (path, kind, mode, uid, gid)
        }
        ["slink", path, target, mode, uid, gid] => {
            (path, Kind::Link { target: target.to_owned() }, mode, uid, gid)
        }
        ["file", path, "<agent>", mode, uid, gid] => (path, Kind::Agent, mode, uid, gid),
        ["file", path, place, mode, uid, gid] => {
            let place = paths::repository().join(place);
            let bytes = std::fs::read(&place)
                .with_context(|| format!("failed to read {}", place.display()))?;
            (path, Kind::Bytes(bytes), mode, uid, gid)
        }
        _ => bail!(
            "expected `dir PATH MODE UID GID`, `nod PATH MODE UID GID c MAJOR MINOR`, \
             `slink PATH TARGET MODE UID GID`, or `file PATH PLACE MODE UID GID`, whose place is in \
             the repository or <agent>"
        ),
    };
    ensure!(path.starts_with('/') && path.len() > 1, "{path} is not an absolute path");
    Ok(Entry {
        path: path.to_owned(),
        kind,
        mode: number(mode, 8)?,
        uid: number(uid, 10)?,
        gid: number(gid, 10)?,
    })
}

fn number(text: &str, radix: u32) -> Result<u32> {
    u32::from_str_radix(text, radix).with_context(|| format!("{text} is not a number"))
}

/// Makes the archive, in the format `newc`. The same entries and agent give the same bytes: times
/// are 0 and inodes are numbered.
///
/// # Errors
///
/// When a file is larger than the format allows, 4 GiB.
pub(super) fn pack(entries: &[Entry], agent: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Vec::with_capacity(agent.len() + 4096);
    for (inode, entry) in (1..).zip(entries) {
        let mut builder = newc::Builder::new(entry.path.trim_start_matches('/'))
            .ino(inode)
            .nlink(1)
            .mode(entry.mode)
            .uid(entry.uid)
            .gid(entry.gid)
            .mtime(0);
        let mut contents: &[u8] = &[];
        builder = match &entry.kind {
            Kind::Directory => builder.set_mode_file_type(ModeFileType::Directory),
            Kind::CharDevice { major, minor } => {
                builder.set_mode_file_type(ModeFileType::Char).rdev_major(*major).rdev_minor(*minor)
            }
            Kind::Link { target } => {
                contents = target.as_bytes();
                builder.set_mode_file_type(ModeFileType::Symlink)
            }
            Kind::Bytes(bytes) => {
                contents = bytes;
                builder.set_mode_file_type(ModeFileType::Regular)
            }
            Kind::Agent => {
                contents = agent;
                builder.set_mode_file_type(ModeFileType::Regular)
            }
        };
        let size = u32::try_from(contents.len()).context("a file is too large for a cpio")?;
        let mut writer = builder.write(archive, size);
        writer.write_all(contents)?;
        archive = writer.finish()?;
    }
    Ok(newc::trailer(archive)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "# c\ndir /dev 0755 0 0\n\nnod /dev/console 0600 0 0 c 5 1\n\
                          file /init <agent> 0755 0 0\n";

    #[test]
    fn the_archive_holds_what_the_recipe_says() {
        let archive = pack(&parse(RECIPE).unwrap(), b"agent").unwrap();
        let mut found = Vec::new();
        let mut rest: &[u8] = &archive;
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let entry = reader.entry();
            found.push((
                entry.name().to_owned(),
                format!("{:o}", entry.mode()),
                entry.rdev_major(),
                entry.rdev_minor(),
                entry.mtime(),
            ));
            let mut contents = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut contents).unwrap();
            assert_eq!(contents, if entry_is_init(&found) { &b"agent"[..] } else { b"" });
            rest = reader.finish().unwrap();
        }
        let expected =
            [("dev", "40755", 0, 0), ("dev/console", "20600", 5, 1), ("init", "100755", 0, 0)].map(
                |(name, mode, major, minor)| (name.to_owned(), mode.to_owned(), major, minor, 0),
            );
        assert_eq!(found, expected);
    }

    fn entry_is_init(found: &[(String, String, u32, u32, u32)]) -> bool {
        found.last().is_some_and(|entry| entry.0 == "init")
    }

    #[test]
    fn links_and_files_of_the_repository_go_in() {
        let recipe = format!("{RECIPE}slink /bin/sh busybox 0777 0 0\nfile /l LICENSE 0644 0 0\n");
        let entries = parse(&recipe).unwrap();
        let license = std::fs::read(paths::repository().join("LICENSE")).unwrap();
        assert_eq!(entries.last(), Some(&Entry::file("/l", license, 0o644)));
        assert_eq!(entries.iter().rev().nth(1), Some(&Entry::link("/bin/sh", "busybox")));
        let archive = pack(&entries[entries.len() - 2..], b"").unwrap();
        let mut reader = newc::Reader::new(&*archive).unwrap();
        let mut target = String::new();
        std::io::Read::read_to_string(&mut reader, &mut target).unwrap();
        let entry = reader.entry();
        assert_eq!((entry.name(), entry.mode(), &*target), ("bin/sh", 0o120_777, "busybox"));
        let error = parse("file /l no/such/file 0644 0 0").unwrap_err();
        assert!(format!("{error:#}").contains("no/such/file"), "{error:#}");
    }

    #[test]
    fn the_archive_is_the_same_every_time() {
        let entries = parse(RECIPE).unwrap();
        assert_eq!(pack(&entries, b"x").unwrap(), pack(&entries, b"x").unwrap());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = format!("{:#}", parse("dir /dev 0755 0 0\nslink /a /b 0 0").unwrap_err());
        assert!(error.starts_with("line 2: slink /a /b 0 0"), "{error}");
        let error = format!("{:#}", parse("dir /dev 0795 0 0").unwrap_err());
        assert!(error.contains("0795 is not a number"), "{error}");
        assert!(parse("dir dev 0755 0 0").is_err());
        let error = format!("{:#}", parse("dir /dev 0755 0 0").unwrap_err());
        assert!(error.contains("agent"), "{error}");
    }
}
