//! Gets a Debian package through apt with lists, state and sources of its own, so that the
//! machine's stay as they are.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::digest::{self, Mismatch, Sha256Sum};
use super::{apt_sources, space};
use harness_host::exit::Stop;
use harness_host::interrupt::Group;
use harness_host::ui::Progress;

/// Keyrings of the package debian-archive-keyring, under its newer and its older name.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];
/// More mirrors are not tried: each that is silent costs seconds.
const MIRRORS: usize = 3;
/// For the package lists of one suite, half a megabyte.
const UPDATE_LIMIT: Duration = Duration::from_secs(40);
/// A download that has not grown for so long is given up.
const SILENCE: Duration = Duration::from_secs(40);
/// How often a running apt is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A package of Debian's archive, component main.
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) suite: &'a str,
    /// Of the .deb.
    pub(crate) sha256: Sha256Sum,
}

/// What `apt-get download --print-uris` says of a package.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    file: String,
    /// In bytes.
    size: u64,
    sha256: Option<Sha256Sum>,
}

impl Package<'_> {
    /// Downloads the package to the file `target`, from the mirrors that `etc`, `/etc/apt`, names.
    /// `state` is a directory for apt's use, on the same file system as `target`; what a download
    /// that broke off left there, apt resumes or starts over.
    ///
    /// # Errors
    ///
    /// When the machine has no apt or no source of Debian, when no mirror has the package, or when
    /// its digest is another ([`Mismatch`]); [`Stop::HostLacks`] for a full disk.
    pub(crate) fn download(&self, etc: &Path, state: &Path, target: &Path) -> Result<()> {
        let mirrors = apt_sources::debian_mirrors(etc, self.suite);
        if mirrors.is_empty() {
            let etc = etc.display();
            bail!("no entry of the machine's apt sources ({etc}) serves Debian's main component");
        }
        let Some(keyring) = KEYRINGS.iter().find(|path| Path::new(path).exists()) else {
            bail!("the archive's keys are missing: install the package debian-archive-keyring");
        };
        let mut reasons = Vec::new();
        for mirror in mirrors.iter().take(MIRRORS) {
            let apt = Apt::new(state, mirror, self.suite, keyring)?;
            match self.download_with(&apt, target) {
                Ok(()) => return Ok(()),
                // A full disk is full for all mirrors.
                Err(error) if error.downcast_ref::<Stop>().is_some() => return Err(error),
                Err(error) => reasons.push(error.context(format!("from {mirror}"))),
            }
        }
        if reasons.len() == 1 {
            return Err(reasons.remove(0));
        }
        let reasons: Vec<_> = reasons.iter().map(|error| format!("{error:#}")).collect();
        bail!("{}", reasons.join("; "))
    }

    fn download_with(&self, apt: &Apt, target: &Path) -> Result<()> {
        let what = format!("reading the package list of {}", self.suite);
        let progress = Progress::spinner(what);
        apt.run(&["update"], UPDATE_LIMIT, |_| None)?;
        progress.finish();

        let wanted = format!("{}={}", self.name, self.version);
        let printed = apt.run(&["download", "--print-uris", &wanted], UPDATE_LIMIT, |_| None)?;
        let listed = parse_uris(&printed)
            .with_context(|| format!("apt-get download --print-uris {wanted} said {printed:?}"))?;
        let part = apt.downloads.join(&listed.file);
        if let Some(got) = listed.sha256.filter(|got| *got != self.sha256) {
            // The package would be refused: do not get it at all.
            let mismatch = Mismatch { file: part.clone(), expected: self.sha256, got };
            if part.exists() {
                fs::remove_file(&part)?;
            }
            return Err(mismatch.into());
        }
        let resumed = part.exists();
        self.transfer(apt, &listed, &wanted, &part)
            .and_then(|()| digest::admit(&part, target, self.sha256))
            .or_else(|error| {
                if !resumed || error.downcast_ref::<Mismatch>().is_none() {
                    return Err(error);
                }
                // What an earlier run left, and apt did not look into, is to blame.
                self.transfer(apt, &listed, &wanted, &part)?;
                digest::admit(&part, target, self.sha256)
            })
    }

    fn transfer(&self, apt: &Apt, listed: &Listed, wanted: &str, part: &Path) -> Result<()> {
        let size = || fs::metadata(part).map_or(0, |meta| meta.len());
        space::require(&apt.downloads, listed.size.saturating_sub(size()))?;
        let progress = Progress::bytes(listed.size, format!("downloading {}", listed.file));
        let mut last = (size(), Instant::now());
        let watch = |_: Duration| {
            let now = size();
            progress.set(now);
            if now != last.0 {
                last = (now, Instant::now());
            }
            let silent = last.1.elapsed();
            (silent > SILENCE).then(|| format!("no data for {} s", silent.as_secs()))
        };
        apt.run(&["download", wanted], Duration::MAX, watch).map_err(|error| {
            match format!("{error:#}").contains("No space left on device") {
                true => space::explain(
                    io::ErrorKind::StorageFull.into(),
                    &apt.downloads,
                    Some(listed.size),
                ),
                false => error,
            }
        })?;
        progress.set(listed.size);
        progress.finish();
        Ok(())
    }
}

/// apt-get with a configuration of its own.
struct Apt {
    config: PathBuf,
    output: PathBuf,
    downloads: PathBuf,
}

impl Apt {
    fn new(state: &Path, mirror: &str, suite: &str, keyring: &str) -> Result<Self> {
        let apt = Self {
            config: state.join("apt.conf"),
            output: state.join("output"),
            downloads: state.join("downloads"),
        };
        let quoted = state.to_str().filter(|text| !text.contains(['"', '\n']));
        let Some(dir) = quoted else {
            bail!("{}: apt cannot use a directory of this name", state.display());
        };
        let write = || -> io::Result<()> {
            for sub in ["downloads", "lists/partial", "cache/archives/partial"] {
                fs::create_dir_all(state.join(sub))?;
            }
            let source = format!(
                "deb [signed-by={keyring} target=Packages lang=none] {mirror} {suite} main\n"
            );
            fs::write(state.join("sources.list"), source)?;
            fs::write(&apt.config, configuration(dir, nix::unistd::geteuid().is_root()))
        };
        write().with_context(|| format!("preparing apt's directory {dir}"))?;
        Ok(apt)
    }

    /// Runs apt-get and gives what it wrote to stdout. `watch` hears how long it has run, again
    /// and again, and may give a reason to end it.
    fn run(
        &self,
        args: &[&str],
        limit: Duration,
        mut watch: impl FnMut(Duration) -> Option<String>,
    ) -> Result<String> {
        let line = format!("apt-get {}", args.join(" "));
        let errors = self.output.with_extension("errors");
        let mut command = Command::new("apt-get");
        command
            .arg("-c")
            .arg(&self.config)
            .arg("-q")
            .args(args)
            .current_dir(&self.downloads)
            .env("LC_ALL", "C")
            .stdout(File::create(&self.output).context("creating apt's output file")?)
            .stderr(File::create(&errors).context("creating apt's error file")?);
        let mut group =
            Group::spawn(&mut command, Stdio::null()).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    anyhow::anyhow!("there is no apt-get: not a Debian system")
                }
                _ => anyhow::Error::new(error).context(format!("starting {line}")),
            })?;
        let start = Instant::now();
        let ended: Result<ExitStatus> = loop {
            if let Some(status) = group.try_wait()? {
                break Ok(status);
            }
            let time = start.elapsed();
            let late = (time > limit).then(|| format!("no end after {} s", time.as_secs()));
            if let Some(reason) = watch(time).or(late) {
                break Err(anyhow::anyhow!("{line}: {reason}"));
            }
            sleep(LOOK);
        };
        let said = fs::read_to_string(&errors).unwrap_or_default();
        let status = ended?;
        if !status.success() {
            bail!("{line} failed ({status}): {}", complaints(&said));
        }
        fs::read_to_string(&self.output).context("reading apt's output")
    }
}

/// The file for `apt-get -c`, which is read after the machine's own configuration: what that says
/// of proxies and transports stays, what it does to the machine after an update is taken out.
fn configuration(dir: &str, root: bool) -> String {
    let mut text = format!(
        r#"Dir::Etc::SourceList "{dir}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{dir}/lists";
Dir::Cache "{dir}/cache";
Dir::Cache::Archives "{dir}/cache/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Update::Error-Mode "any";
Acquire::Retries "0";
Acquire::http::Timeout "8";
Acquire::https::Timeout "8";
"#
    );
    if root {
        // apt would give up root for a user who cannot write to the cache directory.
        text.push_str("APT::Sandbox::User \"root\";\n");
    }
    text
}

/// Reads `'uri' file size algorithm:digest`.
fn parse_uris(printed: &str) -> Option<Listed> {
    let line = printed.lines().find(|line| line.starts_with('\''))?;
    let mut words = line.rsplit_once('\'')?.1.split_whitespace();
    let file = words.next().filter(|name| !name.contains('/'))?.to_owned();
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next().and_then(|hash| hash.strip_prefix("SHA256:")?.parse().ok());
    Some(Listed { file, size, sha256 })
}

/// What apt complains of, in a line: its errors, or where it has none all that it said.
fn complaints(said: &str) -> String {
    let of = |start: &str| -> Vec<String> {
        let lines = said.lines().filter_map(|line| line.strip_prefix(start));
        lines.map(|line| line.trim().to_owned()).take(3).collect()
    };
    let errors = [of("E: "), of("W: "), of("")].into_iter().find(|lines| !lines.is_empty());
    errors.map_or_else(|| "it said nothing".to_owned(), |lines| lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3";

    #[test]
    fn what_apt_would_download() {
        let printed = format!(
            "'http://m.example/pool/l/linux-source-7.3_7.3.4-1%7ebpo13%2b1_all.deb' \
             linux-source-7.3_7.3.4-1~bpo13+1_all.deb 166780612 SHA256:{DIGEST}\n"
        );
        let expected = Listed {
            file: "linux-source-7.3_7.3.4-1~bpo13+1_all.deb".into(),
            size: 166_780_612,
            sha256: DIGEST.parse().ok(),
        };
        assert_eq!(parse_uris(&printed), Some(expected));
        assert_eq!(parse_uris("'http://m.example/x' x.deb 5 MD5Sum:0").unwrap().sha256, None);
        for wrong in ["", "Reading...", "'http://m.example/x'", "'u' ../x 5", "'u' x many"] {
            assert_eq!(parse_uris(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn apts_errors_come_before_its_warnings() {
        let said = "W: a warning\nE: Unable to locate package x\nN: a note\n";
        assert_eq!(complaints(said), "Unable to locate package x");
        assert_eq!(complaints("W: a warning\n"), "a warning");
        assert_eq!(complaints("sh: odd\n"), "sh: odd");
        assert_eq!(complaints(""), "it said nothing");
    }

    #[test]
    fn only_root_stays_root() {
        assert!(configuration("/d", true).contains("APT::Sandbox::User \"root\""));
        assert!(!configuration("/d", false).contains("Sandbox"));
    }

    #[test]
    fn a_directory_that_apts_configuration_cannot_hold_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a\"b");
        let error = Apt::new(&odd, "http://m.example/debian", "s", "/k").err().unwrap();
        assert!(error.to_string().contains("apt cannot use"), "{error}");
    }

    /// Tries a package with the given apt sources and gives the error.
    fn error_with(sources: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("package.deb");
        fs::write(dir.path().join("sources.list"), sources).unwrap();
        let sha256 = DIGEST.parse().unwrap();
        let package =
            Package { name: "linux-source-7.3", version: "1", suite: "trixie-backports", sha256 };
        let error = package.download(dir.path(), &dir.path().join("apt"), &target).unwrap_err();
        assert!(!target.exists());
        format!("{error:#}")
    }

    #[test]
    fn a_machine_without_a_mirror_of_debian() {
        let error = error_with("deb http://m.invalid/ubuntu noble main\n");
        assert!(error.contains("no entry of the machine's apt sources ("), "{error}");
    }

    #[test]
    fn each_mirror_gives_its_reason() {
        // Nobody listens there: the listener is gone.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (one, two) = (free(), free());
        let error = error_with(&format!(
            "deb http://{one}/debian trixie main\ndeb http://{two}/debian trixie main\n"
        ));
        assert!(error.contains(&format!("from http://{one}/debian: ")), "{error}");
        assert!(error.contains(&format!("from http://{two}/debian: ")), "{error}");
        assert!(error.contains("Could not connect"), "{error}");
    }

    #[test]
    fn an_archive_that_debians_keys_did_not_sign_is_refused() {
        let archive = tempfile::tempdir().unwrap();
        let dist = archive.path().join("debian/dists/trixie-backports");
        fs::create_dir_all(dist.join("main/binary-amd64")).unwrap();
        fs::write(dist.join("main/binary-amd64/Packages"), "").unwrap();
        fs::write(dist.join("Release"), "Suite: trixie-backports\nComponents: main\n").unwrap();
        let uri = format!("file:{}/debian", archive.path().display());
        let error = error_with(&format!("deb {uri} trixie main\n"));
        assert!(error.contains("is not signed"), "{error}");
    }

    #[test]
    fn an_apt_that_does_not_end_or_does_nothing_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        // A listener that never answers: the kernel accepts for it.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = format!("http://{}/debian", listener.local_addr().unwrap());
        let apt = Apt::new(dir.path(), &mirror, "s", KEYRINGS[1]).unwrap();
        let error = apt.run(&["update"], Duration::ZERO, |_| None).unwrap_err();
        assert_eq!(error.to_string(), "apt-get update: no end after 0 s");
        let watch = |_| Some("no data".to_owned());
        let error = apt.run(&["update"], Duration::MAX, watch).unwrap_err();
        assert_eq!(error.to_string(), "apt-get update: no data");
    }
}
