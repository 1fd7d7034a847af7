//! The console: a log file that QEMU writes, watched for splats. Results never come from here.

pub mod golden;
mod scan;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use scan::Scanner;

use super::failure::FailureKind;

/// Lines kept for the tail of a failure.
const KEPT: usize = 200;

/// A complaint of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splat {
    /// Sort.
    pub kind: FailureKind,
    /// One line, the same for the same fault: without addresses and offsets.
    pub title: String,
    /// `<name> <mode>` of the case that was running, by the agent's last marker.
    pub case: Option<String>,
}

/// The console of one machine.
#[derive(Debug)]
pub(super) struct Console {
    path: PathBuf,
    file: File,
    /// Bytes of a line that has not ended.
    partial: Vec<u8>,
    lines: VecDeque<String>,
    scanner: Scanner,
}

impl Console {
    /// Empties the log, or creates it with the folders above it.
    ///
    /// # Errors
    ///
    /// When the file cannot be created.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        File::create(path)?;
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path)?,
            partial: Vec::new(),
            lines: VecDeque::new(),
            scanner: Scanner::default(),
        })
    }

    /// The log.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at what was written since the last call. A log that cannot be read any more says
    /// nothing new.
    pub(super) fn update(&mut self) {
        let mut fresh = Vec::new();
        // Whatever was read before an error counts.
        let _ = self.file.read_to_end(&mut fresh);
        self.partial.extend_from_slice(&fresh);
        let Some(end) = self.partial.iter().rposition(|&byte| byte == b'\n') else {
            return;
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        for line in String::from_utf8_lossy(&whole).lines() {
            let line = line.trim_end_matches('\r');
            self.scanner.feed(line);
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(line.to_owned());
        }
    }

    /// Case whose marker came last.
    pub(super) fn case(&self) -> Option<&str> {
        self.scanner.case()
    }

    /// Splats that were not taken yet.
    pub(super) fn splats(&self) -> &[Splat] {
        self.scanner.fresh()
    }

    /// Takes the splats that were not taken yet, up to the first of one of the cases in `waiting`.
    pub(super) fn take_splats(&mut self, waiting: &[&str]) -> Vec<Splat> {
        self.scanner.take(waiting)
    }

    /// The last `count` lines, and what there is of the one after.
    pub(super) fn tail(&self, count: usize) -> Vec<String> {
        let mut tail: Vec<String> = self.lines.iter().cloned().collect();
        if !self.partial.is_empty() {
            tail.push(String::from_utf8_lossy(&self.partial).into_owned());
        }
        tail.split_off(tail.len().saturating_sub(count))
    }
}

#[cfg(test)]
mod tests;
