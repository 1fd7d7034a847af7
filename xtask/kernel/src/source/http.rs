//! Files over HTTP, by curl: resumed where they broke off, given up soon where nobody answers.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};

use super::digest::Sha256Sum;
use super::space;
use harness_host::exit::Stop;
use harness_host::interrupt::{self, Group};
use harness_host::ui::Progress;

/// Longest list of digests that is read, in bytes. kernel.org's has 100 KiB for a whole series.
const LIST_LIMIT: u64 = 4 << 20;
/// How often a running curl is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Less free space than this after a failed write: the disk is full.
pub(super) const FULL: u64 = 1 << 20;

/// Exit statuses of curl (curl(1), EXIT CODES).
mod exit {
    /// The server answered with an error.
    pub(super) const HTTP_ERROR: i32 = 22;
    /// The output could not be written.
    pub(super) const WRITE_ERROR: i32 = 23;
    /// The server does not do the range that was asked for.
    pub(super) const RANGE_ERROR: i32 = 33;
    /// Too many redirections.
    pub(super) const REDIRECTS: i32 = 47;
    /// The file is longer than `--max-filesize`.
    pub(super) const TOO_LARGE: i32 = 63;
}

/// How patient a client is, and which way it goes.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// For finding the host and connecting to it.
    pub(crate) connect: Duration,
    /// A transfer without a byte for so long is given up; whole seconds.
    pub(crate) silence: Duration,
    /// How often a download that broke off is resumed, if it got further each time.
    pub(crate) resumes: u32,
    /// Whether to do without the proxy that the environment names, as tests do.
    pub(crate) direct: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (connect, silence) = (Duration::from_secs(8), Duration::from_secs(10));
        Self { connect, silence, resumes: 5, direct: false }
    }
}

/// Downloads files.
pub(crate) struct Client {
    options: Options,
}

/// Why an attempt ended before the whole file was there.
enum End {
    /// The connection was refused, broke off or fell silent.
    Cut(Error),
    /// What is there already does not fit to what the server has.
    Misfit,
    /// Nothing that another attempt would mend.
    Failed(Error),
}

impl Client {
    /// A client that is never redirected from https:// to anything else.
    pub(crate) fn new(options: Options) -> Self {
        Self { options }
    }

    fn curl(&self, url: &str) -> Command {
        let allowed = match url.split_once(':') {
            Some(("https", _)) => "=https",
            Some(("file", _)) => "=file",
            _ => "=http,https",
        };
        let mut command = Command::new("curl");
        // Without the user's curlrc, which may say anything.
        command.args(["--disable", "--silent", "--show-error", "--fail", "--location"]);
        command.args(["--max-redirs", "5", "--proto", allowed, "--proto-redir", allowed]);
        command.args(["--connect-timeout", &self.options.connect.as_secs_f64().to_string()]);
        let seconds = self.options.silence.as_secs().max(1);
        command.args(["--speed-limit", "1", "--speed-time", &seconds.to_string()]);
        command.args(["--user-agent", concat!("bpf-indirect/", env!("CARGO_PKG_VERSION"))]);
        if self.options.direct {
            command.args(["--noproxy", "*"]);
        }
        command.args(["--url", url]);
        command
    }

    /// The digest that the listing at `url` gives for `file`.
    ///
    /// # Errors
    ///
    /// When the listing cannot be downloaded, or does not name the file.
    pub(crate) fn listed_digest(&self, url: &str, file: &str) -> Result<Sha256Sum> {
        let read = || -> Result<String> {
            let mut command = self.curl(url);
            command.args(["--max-filesize", &LIST_LIMIT.to_string()]);
            let output = interrupt::output(&mut command, &[]).map_err(not_started)?;
            if !output.status.success() {
                bail!("{}", complaint(&output.stderr, output.status));
            }
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let text = read().with_context(|| format!("getting {url}"))?;
        find_digest(&text, file).with_context(|| format!("{url} gives no digest for {file}"))
    }

    /// Downloads `url` to the file `part`, after what is there already.
    ///
    /// Returns whether bytes of an earlier call were kept: if the digest is wrong then, they may be
    /// to blame, and another call after removing `part` may mend it.
    ///
    /// # Errors
    ///
    /// When the file cannot be downloaded or written; what came until then stays in `part`, to be
    /// resumed by another call. [`Stop::HostLacks`] for a full disk or without curl.
    pub(crate) fn file(&self, url: &str, part: &Path) -> Result<bool> {
        let mut kept = size(part) > 0;
        let mut furthest = size(part);
        let mut resumes = 0;
        loop {
            let end = match self.attempt(url, part) {
                Ok(()) => return Ok(kept),
                Err(end) => end,
            };
            let error = match end {
                End::Misfit if size(part) > 0 => {
                    fs::remove_file(part)
                        .with_context(|| format!("removing {}", part.display()))?;
                    kept = false;
                    continue;
                }
                End::Misfit => anyhow!("the server sends another part than was asked for"),
                End::Cut(_) if size(part) > furthest && resumes < self.options.resumes => {
                    furthest = size(part);
                    resumes += 1;
                    continue;
                }
                End::Cut(error) if size(part) > 0 => {
                    error.context(format!("broke off at byte {}", size(part)))
                }
                End::Cut(error) | End::Failed(error) => error,
            };
            return Err(error.context(format!("getting {url}")));
        }
    }

    fn attempt(&self, url: &str, part: &Path) -> Result<(), End> {
        let failed = |error: io::Error| End::Failed(error.into());
        let from = size(part);
        let dir = part.parent().unwrap_or(Path::new("."));
        let mut headers = tempfile::NamedTempFile::new().map_err(failed)?;
        let mut command = self.curl(url);
        if from > 0 {
            command.args(["--continue-at", &from.to_string()]);
        }
        let free = space::free(dir).map_err(End::Failed)?.max(1);
        command.args(["--max-filesize", &free.to_string()]);
        command.arg("--suppress-connect-headers").arg("--dump-header").arg(headers.path());
        command.arg("--output").arg(part);
        let progress = progress(url);
        let mut announced = None;
        let (status, said) = watched(&mut command, part, &progress, || {
            if announced.is_none() && size(part) > from {
                announced = Answer::read(headers.as_file_mut()).and_then(|answer| answer.length);
                if let Some(left) = announced {
                    progress.set_total(from + left);
                }
            }
        })
        .map_err(|error| End::Failed(not_started(error)))?;
        let answer = Answer::read(headers.as_file_mut());
        // The server has nothing after what is there: all of the file, or less. Not every curl takes
        // that for a failure.
        let length = answer.as_ref().and_then(|answer| answer.unsatisfied);
        if from > 0 && length.is_some_and(|length| length != from) {
            return Err(End::Misfit);
        }
        if status.success() || from > 0 && length.is_some() {
            File::open(part).and_then(|file| file.sync_all()).map_err(failed)?;
            progress.finish();
            return Ok(());
        }
        let error = anyhow!("{}", complaint(&said, status));
        Err(match status.code() {
            Some(exit::RANGE_ERROR) => End::Misfit,
            Some(exit::TOO_LARGE) => {
                let needed = answer.and_then(|answer| answer.length).unwrap_or(u64::MAX);
                End::Failed(space::require(dir, needed).err().unwrap_or(error))
            }
            Some(exit::WRITE_ERROR) => {
                End::Failed(space::require(dir, FULL).err().unwrap_or(error))
            }
            Some(exit::HTTP_ERROR | exit::REDIRECTS) => End::Failed(error),
            _ => End::Cut(error),
        })
    }
}

/// The progress of downloading `url`.
pub(super) fn progress(url: &str) -> Progress {
    Progress::bytes(None, format!("downloading {}", url.rsplit('/').next().unwrap_or(url)))
}

/// Runs a program that downloads to the file `part`, shows meanwhile how far that is, and calls `look`.
/// The program's status, and what it wrote to standard error.
///
/// # Errors
///
/// When it cannot be started: the [`io::Error`] as it is. [`Stop::Interrupted`].
pub(super) fn watched(
    command: &mut Command,
    part: &Path,
    progress: &Progress,
    mut look: impl FnMut(),
) -> Result<(ExitStatus, Vec<u8>)> {
    let mut errors = tempfile::tempfile()?;
    command.stdout(Stdio::null()).stderr(errors.try_clone()?);
    let mut group = Group::spawn(command, Stdio::null())?;
    let status = loop {
        let status = group.try_wait()?;
        look();
        progress.set(size(part));
        match status {
            Some(status) => break status,
            None => sleep(POLL),
        }
    };
    let mut said = Vec::new();
    errors.seek(SeekFrom::Start(0)).and_then(|_| errors.read_to_end(&mut said))?;
    Ok((status, said))
}

/// What the head of a server's last answer says.
struct Answer {
    /// `Content-Length`, in bytes.
    length: Option<u64>,
    /// The file's length, by a server that does not have the range (RFC 9110, 15.5.17).
    unsatisfied: Option<u64>,
}

impl Answer {
    /// Reads what `--dump-header` wrote; `None` before there is any.
    fn read(file: &mut File) -> Option<Self> {
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).ok()?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    fn parse(text: &str) -> Option<Self> {
        let last = text.rfind("HTTP/")?;
        let value = |name: &str| {
            text[last..].lines().find_map(|line| {
                let (have, value) = line.split_once(':')?;
                have.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let unsatisfied = value("content-range").and_then(|range| range.strip_prefix("bytes */"));
        Some(Self {
            length: value("content-length").and_then(|length| length.parse().ok()),
            unsatisfied: unsatisfied.and_then(|length| length.parse().ok()),
        })
    }
}

/// What curl complained of, in a line.
fn complaint(said: &[u8], status: ExitStatus) -> String {
    let said = String::from_utf8_lossy(said);
    match said.trim() {
        "" => format!("curl failed ({status})"),
        said => said.lines().collect::<Vec<_>>().join("; "),
    }
}

/// What to say where curl could not be started.
fn not_started(error: Error) -> Error {
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => Stop::HostLacks(
            "curl is not installed, which downloads the kernel source; install with:\n  \
             apt-get install -y curl"
                .to_owned(),
        )
        .into(),
        _ if error.is::<Stop>() => error,
        _ => error.context("running curl"),
    }
}

fn size(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |meta| meta.len())
}

/// Finds `file` among lines as sha256sum writes them, digest, space, space or star, name; other
/// lines, such as a PGP signature's, are passed over.
fn find_digest(text: &str, file: &str) -> Option<Sha256Sum> {
    text.lines().find_map(|line| {
        let (digest, name) = line.trim_end().split_once(' ')?;
        let name = name.strip_prefix([' ', '*'])?;
        if name == file { digest.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests;
