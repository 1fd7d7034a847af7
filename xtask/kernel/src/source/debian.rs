//! Downloads a Debian package from the pool of the mirror that the machine's apt uses, through the
//! proxy that its apt uses. What is downloaded is checked against a known digest, so that neither
//! apt's package lists nor the archive's signature are needed.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::apt_proxy;
use super::apt_sources;
use super::digest::{self, Mismatch, Sha256Sum};
use super::http::{Client, Options};
use harness_host::exit::Stop;

/// More mirrors are not tried: each that is silent costs seconds.
const MIRRORS: usize = 3;

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

impl<'a> Package<'a> {
    /// A package that is built from Debian's kernel.
    pub(crate) fn new(name: &'a str, version: &'a str, sha256: Sha256Sum) -> Self {
        Self { name, source: "linux", version, sha256 }
    }

    /// Downloads the package to the file `target`, from the mirrors that `etc`, `/etc/apt`, names.
    /// What a download that broke off left in `<target>.part` is resumed.
    ///
    /// # Errors
    ///
    /// When the machine's apt names no mirror of Debian, when no mirror has the package, or when
    /// its digest is another ([`Mismatch`]); [`Stop::HostLacks`] for a full disk.
    pub(crate) fn download(&self, etc: &Path, options: &Options, target: &Path) -> Result<()> {
        let mirrors = apt_sources::debian_mirrors(etc);
        if mirrors.is_empty() {
            let etc = etc.display();
            bail!("no entry of the machine's apt sources ({etc}) serves Debian's main component");
        }
        let part = target.with_added_extension("part");
        let mut reasons = Vec::new();
        for mirror in mirrors.iter().take(MIRRORS) {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), self.pool_path());
            let proxy = apt_proxy::for_url(&url, &options.proxy);
            let client = Client::new(Options { proxy, ..options.clone() });
            match fetch(&client, &url, &part, target, self.sha256) {
                Ok(()) => return Ok(()),
                // A full disk is full for all mirrors.
                Err(error) if error.downcast_ref::<Stop>().is_some() => return Err(error),
                Err(error) => reasons.push(error),
            }
        }
        if reasons.len() == 1 {
            return Err(reasons.remove(0));
        }
        let reasons: Vec<_> = reasons.iter().map(|error| format!("{error:#}")).collect();
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

/// Downloads `url` to `part` and lets it appear as `target` if its digest is the expected one.
///
/// # Errors
///
/// When it cannot be downloaded, or its digest is another ([`Mismatch`]).
pub(super) fn fetch(
    client: &Client,
    url: &str,
    part: &Path,
    target: &Path,
    expected: Sha256Sum,
) -> Result<()> {
    let kept = client.file(url, part)?;
    let admitted = digest::admit(part, target, expected);
    if kept && admitted.as_ref().is_err_and(|error| error.is::<Mismatch>()) {
        // What an earlier run left may be of another file: once more from the start.
        let _ = fs::remove_file(part);
        client.file(url, part)?;
        return digest::admit(part, target, expected);
    }
    admitted
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{Answer, Server, options, part, reply, whole};
    use super::*;

    /// `printf 0123456789 | sha256sum`.
    const DIGEST: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    const OTHER: &str = "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3";

    fn package(sha256: &str) -> Package<'static> {
        Package::new("linux-source-7.3", "7.3.4-1~bpo13+1", sha256.parse().unwrap())
    }

    /// Downloads with these apt sources; what an earlier run left is `left`.
    fn download(sources: &str, sha256: &str, left: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("package.deb");
        fs::write(dir.path().join("sources.list"), sources).unwrap();
        if !left.is_empty() {
            fs::write(dir.path().join("package.deb.part"), left).unwrap();
        }
        match package(sha256).download(dir.path(), &options(), &target) {
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
    fn the_package_comes_from_the_pool() {
        let (server, sources) = mirror([whole("0123456789")]);
        assert_eq!(download(&sources, DIGEST, ""), Ok("0123456789".into()));
        let asked = &server.requests()[0];
        assert!(asked.starts_with("get /debian/pool/main/l/linux/linux-source-7.3_"), "{asked}");
    }

    #[test]
    fn the_next_mirror_is_asked() {
        let (_one, first) = mirror([reply("404 Not Found", &[], 0, "")]);
        let (_two, second) = mirror([whole("0123456789")]);
        assert_eq!(download(&(first + &second), DIGEST, ""), Ok("0123456789".into()));
    }

    #[test]
    fn what_an_earlier_run_left_of_another_file_costs_one_more_download() {
        let (_server, sources) = mirror([part(4, 10, "456789"), whole("0123456789")]);
        assert_eq!(download(&sources, DIGEST, "junk"), Ok("0123456789".into()));
    }

    #[test]
    fn a_package_with_another_digest_is_refused() {
        let (_server, sources) = mirror([whole("0123456789")]);
        let error = download(&sources, OTHER, "").unwrap_err();
        assert!(error.contains(&format!("expected {OTHER}, got {DIGEST}")), "{error}");
    }

    #[test]
    fn a_machine_without_a_mirror_of_debian() {
        let error = download("deb http://m.invalid/ubuntu noble main\n", DIGEST, "").unwrap_err();
        assert!(error.contains("no entry of the machine's apt sources ("), "{error}");
    }

    #[test]
    fn each_mirror_gives_its_reason() {
        // Nobody listens there: the listener is gone.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (one, two) = (free(), free());
        let sources =
            format!("deb http://{one}/debian trixie main\ndeb http://{two}/debian trixie main\n");
        let error = download(&sources, DIGEST, "").unwrap_err();
        assert!(error.contains(&format!("getting http://{one}/debian/pool/")), "{error}");
        assert!(error.contains(&format!("getting http://{two}/debian/pool/")), "{error}");
        assert!(error.contains("Failed to connect"), "{error}");
    }
}
