//! Downloads a Debian package from the pool of a mirror that the machine's apt uses, in the way that
//! its apt downloads: proxies and credentials are those of apt's configuration. What is downloaded is
//! checked against a known digest, so that neither apt's package lists nor the archive's signature are
//! needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::digest::{self, Sha256Sum};
use super::http;
use super::space;
use harness_host::exit::Stop;
use harness_host::programs;

/// More mirrors are not tried: each that is silent costs seconds.
const MIRRORS: usize = 3;

/// apt's program that downloads one file.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// The machine's apt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apt {
    /// Settings beside those of `/etc/apt`: `Name=Value`, see apt.conf(5).
    settings: Vec<String>,
}

/// A package of Debian's archive, component main, for all architectures.
pub(crate) struct Package<'a> {
    /// The binary package: `linux-source-7.3`.
    name: &'a str,
    /// The source package that it is built from: `linux`.
    source: &'a str,
    /// Its version, with the epoch if it has one.
    version: &'a str,
    /// Of the .deb.
    sha256: Sha256Sum,
}

impl Apt {
    /// The mirrors that may serve Debian's component main, the most likely ones first; a list of
    /// mirrors (apt-transport-mirror(1)) counts as the mirrors in it. A guess, to be used only for
    /// files whose digest is known.
    fn mirrors(&self) -> Result<Vec<String>> {
        let mut command = self.command("apt-get");
        command.args(["indextargets", "--no-release-info", "Created-By: Packages"]);
        let text = programs::read(command.args(["--format", "$(COMPONENT) $(REPO_URI)"]))?;
        let mut mirrors: Vec<String> = Vec::new();
        for uri in text.lines().filter_map(|line| line.strip_prefix("main ")) {
            let other = ["debian-security", "debian-debug", "ubuntu", "cdrom:"];
            if !other.iter().any(|archive| uri.contains(archive)) {
                mirrors.extend(listed(uri).unwrap_or_else(|| vec![uri.to_owned()]));
            }
        }
        mirrors.iter_mut().for_each(|uri| uri.truncate(uri.trim_end_matches('/').len()));
        let mut seen = BTreeSet::new();
        mirrors.retain(|uri| seen.insert(uri.clone()));
        mirrors.sort_by_key(|uri| !uri.ends_with("/debian"));
        Ok(mirrors)
    }

    /// Downloads `url` to the file `target`.
    fn download(&self, url: &str, target: &Path) -> Result<()> {
        let _ = fs::remove_file(target);
        let progress = http::progress(url);
        let mut command = self.command(HELPER);
        command.args(["download-file", url]).arg(target);
        let (status, said) = http::watched(&mut command, target, &progress, || {})
            .with_context(|| format!("running {HELPER}"))?;
        if status.success() {
            progress.finish();
            return Ok(());
        }
        space::require(target.parent().unwrap_or(Path::new(".")), http::FULL)?;
        let said = String::from_utf8_lossy(&said);
        let errors: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
        bail!("getting {url}: {}", errors.join("; "))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for setting in
            ["Acquire::Retries=2", "Acquire::http::Timeout=10", "APT::Sandbox::User=root"]
                .into_iter()
                .chain(self.settings.iter().map(String::as_str))
        {
            command.args(["-o", setting]);
        }
        command.env("LC_ALL", "C");
        command
    }
}

/// The mirrors in the list that `mirror+file:` leads to, one a line, with tags after it.
fn listed(uri: &str) -> Option<Vec<String>> {
    let path = uri.strip_prefix("mirror+file:")?.trim_end_matches('/');
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Some(lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect())
}

impl<'a> Package<'a> {
    /// A package that is built from Debian's kernel.
    pub(crate) fn new(name: &'a str, version: &'a str, sha256: Sha256Sum) -> Self {
        Self { name, source: "linux", version, sha256 }
    }

    /// Downloads the package to the file `target`, from the mirrors of `apt`.
    ///
    /// # Errors
    ///
    /// When there is no apt or it has no mirror of Debian, when no mirror has the package, or when its
    /// digest is another ([`digest::Mismatch`]); [`Stop::HostLacks`] for a full disk.
    pub(crate) fn download(&self, apt: &Apt, target: &Path) -> Result<()> {
        let part = target.with_added_extension("part");
        let mut reasons = Vec::new();
        for mirror in apt.mirrors()?.iter().take(MIRRORS) {
            let url = format!("{mirror}/{}", self.pool_path());
            let got = apt.download(&url, &part);
            match got.and_then(|()| digest::admit(&part, target, self.sha256)) {
                Ok(()) => return Ok(()),
                // A full disk is full for all mirrors.
                Err(error) if error.is::<Stop>() => return Err(error),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        if reasons.is_empty() {
            bail!("no entry of the machine's apt sources serves Debian's component main");
        }
        bail!("{}", reasons.join("; "))
    }

    /// The file's name in the archive, which leaves out the epoch.
    pub(crate) fn file_name(&self) -> String {
        let version = self.version.split_once(':').map_or(self.version, |(_, rest)| rest);
        format!("{}_{version}_all.deb", self.name)
    }

    /// Where the archive has the file, as a path of a URL (Debian's repository format, "Pool").
    fn pool_path(&self) -> String {
        let initial = match self.source.strip_prefix("lib") {
            Some(rest) if !rest.is_empty() => &self.source[..4],
            _ => &self.source[..1],
        };
        // Some servers take a plus sign for a blank.
        let file = self.file_name().replace('+', "%2b");
        format!("pool/main/{initial}/{}/{file}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{Answer, Server, reply, whole};
    use super::*;

    /// `printf 0123456789 | sha256sum`.
    const DIGEST: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    const OTHER: &str = "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3";

    fn package(sha256: &str) -> Package<'static> {
        Package::new("linux-source-7.3", "7.3.4-1~bpo13+1", sha256.parse().unwrap())
    }

    /// An apt with these files in its folder.
    fn apt(files: &[(&str, &str)]) -> (tempfile::TempDir, Apt) {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(etc.path().join(name), text).unwrap();
        }
        let folder = format!("Dir::Etc={}", etc.path().display());
        let settings = [folder.as_str(), "Acquire::http::Proxy=DIRECT", "Acquire::Retries=0"];
        let settings = settings.map(str::to_owned).to_vec();
        (etc, Apt { settings })
    }

    /// Downloads with these apt sources.
    fn download(sources: &str, sha256: &str) -> Result<String, String> {
        let (dir, apt) = apt(&[("sources.list", sources)]);
        let target = dir.path().join("package.deb");
        match package(sha256).download(&apt, &target) {
            Ok(()) => Ok(fs::read_to_string(&target).unwrap()),
            Err(error) => {
                assert!(!target.exists());
                Err(format!("{error:#}"))
            }
        }
    }

    fn mirror(answers: impl IntoIterator<Item = Answer>) -> (Server, String) {
        let server = Server::start(answers);
        let line = format!("deb {} trixie main\n", server.url("debian"));
        (server, line)
    }

    #[test]
    fn the_pool_has_a_folder_for_each_initial() {
        let mut package = package(DIGEST);
        let path = "pool/main/l/linux/linux-source-7.3_7.3.4-1~bpo13%2b1_all.deb";
        assert_eq!(package.pool_path(), path);
        package.source = "libbpf";
        package.version = "1:1.5";
        assert_eq!(package.pool_path(), "pool/main/libb/libbpf/linux-source-7.3_1.5_all.deb");
    }

    #[test]
    fn mirrors_are_those_of_both_formats_and_of_lists() {
        let list = tempfile::NamedTempFile::new().unwrap();
        fs::write(list.path(), "# local\nhttp://x.example/debian priority:1\n").unwrap();
        let lines = format!(
            "deb http://s.example/debian-security trixie-security main\n\
             deb http://u.example/ubuntu noble main\ndeb http://o.example/o stable other\n\
             deb http://m.example/m trixie main\ndeb mirror+file:{} trixie main\n",
            list.path().display()
        );
        let stanza = "Types: deb deb-src\nURIs: http://d.example/debian/\n\
                      Suites: trixie trixie-backports\nComponents: main\n";
        let (_etc, apt) =
            apt(&[("sources.list", lines.as_str()), ("sources.list.d/debian.sources", stanza)]);
        let expected = ["http://x.example/debian", "http://d.example/debian", "http://m.example/m"];
        assert_eq!(apt.mirrors().unwrap(), expected);
    }

    #[test]
    fn the_package_comes_from_the_pool() {
        let (server, sources) = mirror([whole("0123456789")]);
        assert_eq!(download(&sources, DIGEST), Ok("0123456789".into()));
        let asked = &server.requests()[0];
        assert!(asked.starts_with("get /debian/pool/main/l/linux/linux-source-7.3_"), "{asked}");
    }

    #[test]
    fn the_next_mirror_is_asked() {
        let (_one, first) = mirror([reply("404 Not Found", &[], 0, "")]);
        let (_two, second) = mirror([whole("0123456789")]);
        assert_eq!(download(&(first + &second), DIGEST), Ok("0123456789".into()));
    }

    #[test]
    fn a_package_with_another_digest_is_refused() {
        let (_server, sources) = mirror([whole("0123456789")]);
        let error = download(&sources, OTHER).unwrap_err();
        assert!(error.contains(&format!("expected {OTHER}, got {DIGEST}")), "{error}");
    }

    #[test]
    fn a_machine_without_a_mirror_of_debian() {
        let error = download("deb http://m.invalid/ubuntu noble main\n", DIGEST).unwrap_err();
        assert_eq!(error, "no entry of the machine's apt sources serves Debian's component main");
    }

    #[test]
    fn each_mirror_gives_its_reason() {
        // Nobody listens there: the listener is gone.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (one, two) = (free(), free());
        let sources =
            format!("deb http://{one}/debian trixie main\ndeb http://{two}/debian trixie main\n");
        let error = download(&sources, DIGEST).unwrap_err();
        assert!(error.contains(&format!("getting http://{one}/debian/pool/")), "{error}");
        assert!(error.contains(&format!("getting http://{two}/debian/pool/")), "{error}");
        assert!(error.contains("Connection refused"), "{error}");
    }
}
