//! Files over HTTP: resumed where they broke off, given up soon where nobody answers.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ureq::http::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, Proxy};

use super::digest::Sha256Sum;
use super::space;
use harness_host::interrupt;
use harness_host::ui::Progress;

/// Longest list of digests that is read, in bytes. kernel.org's has 100 KiB for a whole series.
const LIST_LIMIT: u64 = 4 << 20;

/// How patient a client is, and which way it goes.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// For finding the host, and again for connecting to it.
    pub(crate) connect: Duration,
    /// For the first line of the answer, and for each piece of the body.
    pub(crate) silence: Duration,
    /// How often a download that broke off is resumed, if it got further each time.
    pub(crate) resumes: u32,
    /// What stands between.
    pub(crate) proxy: Option<Proxy>,
}

impl Default for Options {
    /// For the internet; the proxy is the environment's (`https_proxy` and its like).
    fn default() -> Self {
        let (connect, silence) = (Duration::from_secs(4), Duration::from_secs(10));
        Self { connect, silence, resumes: 5, proxy: Proxy::try_from_env() }
    }
}

/// Gets files.
pub(crate) struct Client {
    agent: Agent,
    resumes: u32,
}

/// Why an attempt ended before the whole file was there.
enum End {
    /// The connection broke off or fell silent.
    Cut(io::Error),
    /// What is there already does not fit to what the server has.
    Misfit,
    /// Nothing that another attempt would mend.
    Failed(anyhow::Error),
}

impl Client {
    /// A client that goes from https:// only to https://.
    pub(crate) fn new(options: Options) -> Self {
        let config = Agent::config_builder()
            .timeout_resolve(Some(options.connect))
            .timeout_connect(Some(options.connect))
            .timeout_recv_response(Some(options.silence))
            .timeout_per_read(Some(options.silence))
            .max_redirects(5)
            .proxy(options.proxy)
            .http_status_as_error(false)
            .user_agent(concat!("bpf-indirect/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), resumes: options.resumes }
    }

    fn get(&self, url: &str, from: u64) -> Result<Response<Body>> {
        // Byte ranges count in the file itself, so it must not be compressed on its way.
        let mut request = self.agent.get(url).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let https = url.starts_with("https://");
        let response = request.config().https_only(https).build().call()?;
        Ok(response)
    }

    /// The digest that the listing at `url` gives for `file`.
    ///
    /// # Errors
    ///
    /// When the listing cannot be had, or does not name the file.
    pub(crate) fn listed_digest(&self, url: &str, file: &str) -> Result<Sha256Sum> {
        let read = || -> Result<String> {
            let mut response = self.get(url, 0)?;
            if response.status() != StatusCode::OK {
                bail!("the server answered {}", response.status());
            }
            Ok(response.body_mut().with_config().limit(LIST_LIMIT).read_to_string()?)
        };
        let text = read().with_context(|| format!("getting {url}"))?;
        find_digest(&text, file).with_context(|| format!("{url} gives no digest for {file}"))
    }

    /// Gets `url` into the file `part`, after what is there already.
    ///
    /// Gives whether bytes of an earlier call were kept: if the digest is wrong then, they may be
    /// to blame, and another call after removing `part` may mend it.
    ///
    /// # Errors
    ///
    /// When the file cannot be had or written; what came until then stays in `part`, to be resumed
    /// by another call. [`harness_host::exit::Stop::HostLacks`] for a full disk.
    pub(crate) fn file(&self, url: &str, part: &Path) -> Result<bool> {
        let mut kept = size(part) > 0;
        let mut furthest = size(part);
        let mut resumes = 0;
        loop {
            let end = match self.attempt(url, part, &mut kept) {
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
                End::Cut(_) if size(part) > furthest && resumes < self.resumes => {
                    furthest = size(part);
                    resumes += 1;
                    continue;
                }
                End::Cut(error) => {
                    anyhow::Error::new(error).context(format!("broke off at byte {}", size(part)))
                }
                End::Failed(error) => error,
            };
            return Err(error.context(format!("getting {url}")));
        }
    }

    fn attempt(&self, url: &str, part: &Path, kept: &mut bool) -> Result<(), End> {
        let mut from = size(part);
        let mut response = self.get(url, from).map_err(End::Failed)?;
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        match response.status() {
            // The server knows no ranges and sends all of it.
            StatusCode::OK => {
                from = 0;
                *kept = false;
            }
            StatusCode::PARTIAL_CONTENT if from > 0 => {
                if range.and_then(range_start) != Some(from) {
                    return Err(End::Misfit);
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                let whole = range.and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
                return if whole == Some(from) { Ok(()) } else { Err(End::Misfit) };
            }
            status => return Err(End::Failed(anyhow!("the server answered {status}"))),
        }
        let left = response.body().content_length();
        let total = left.map(|left| left + from);
        let dir = part.parent().unwrap_or(Path::new("."));
        if let Some(left) = left {
            space::require(dir, left).map_err(End::Failed)?;
        }
        let name = url.rsplit('/').next().unwrap_or(url);
        let progress = Progress::bytes(total, format!("downloading {name}"));
        progress.set(from);

        let disk = |error| End::Failed(space::explain(error, dir, total));
        let mut file =
            File::options().create(true).write(true).truncate(false).open(part).map_err(disk)?;
        file.set_len(from).map_err(disk)?;
        file.seek(SeekFrom::End(0)).map_err(disk)?;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut got = 0;
        loop {
            interrupt::check().map_err(End::Failed)?;
            let length = body.read(&mut buffer).map_err(End::Cut)?;
            if length == 0 {
                break;
            }
            file.write_all(&buffer[..length]).map_err(disk)?;
            got += length as u64;
            progress.inc(length as u64);
        }
        if left.is_some_and(|left| left != got) {
            return Err(End::Cut(io::ErrorKind::UnexpectedEof.into()));
        }
        file.sync_all().map_err(disk)?;
        progress.finish();
        Ok(())
    }
}

fn size(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |meta| meta.len())
}

/// The first byte of `Content-Range: bytes 5-9/10` (RFC 9110, 14.4).
fn range_start(value: &str) -> Option<u64> {
    value.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
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
