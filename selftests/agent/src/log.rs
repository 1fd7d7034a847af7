//! Sends the kernel log to the host while something runs.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bpf_wire::Response;
use nix::libc::O_NONBLOCK;

use crate::channel::Sender;
use crate::kernel::mounts;

/// More than the longest record of `/dev/kmsg` (`kernel/printk/printk.c`: `PRINTK_MESSAGE_MAX`).
const RECORD_SIZE: usize = 8 << 10;

/// Amount of text to collect before sending.
const BATCH_SIZE: usize = 4 << 10;

/// How long to wait for further records. The log buffer takes far longer to overflow.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `act` and sends everything logged between its start and its end.
///
/// A separate thread reads the log, since `act` may block in the kernel, and may log more than the
/// log buffer holds.
pub(crate) fn sent_during<T>(sender: &Sender, act: impl FnOnce() -> T) -> Result<T, String> {
    let mut tail = Tail::open()?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&mut tail, sender, &done));
        let result = act();
        done.store(true, Ordering::Release);
        let followed =
            follower.join().map_err(|_| "the thread that reads the log panicked".to_owned())?;
        followed.map(|()| result)
    })
}

fn follow(tail: &mut Tail, sender: &Sender, done: &AtomicBool) -> Result<(), String> {
    let mut text = String::new();
    loop {
        // Loaded before reading, so that everything logged until then is read.
        let last = done.load(Ordering::Acquire);
        loop {
            let more = tail.next(&mut text)?;
            if text.len() >= BATCH_SIZE || (!more && !text.is_empty()) {
                sender.send(&Response::Log(std::mem::take(&mut text)))?;
            }
            if !more {
                break;
            }
        }
        if last {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

/// The end of the kernel log, from the time it was opened.
struct Tail(File);

impl Tail {
    fn open() -> Result<Self, String> {
        mounts::proc()?;
        let failed = |e| format!("failed to read the kernel's log from /dev/kmsg: {e}");
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open("/dev/kmsg")
            .map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self(file))
    }

    /// Appends the text of the next record, if there is one.
    fn next(&mut self, text: &mut String) -> Result<bool, String> {
        let mut record = [0; RECORD_SIZE];
        match self.0.read(&mut record) {
            Ok(len) => {
                message(&String::from_utf8_lossy(&record[..len]), text);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                // The reader must know that the text is incomplete.
                text.push_str("[records were lost]\n");
                Ok(true)
            }
            Err(error) => Err(format!("failed to read /dev/kmsg: {error}")),
        }
    }
}

/// The text of a record (`Documentation/ABI/testing/dev-kmsg`): from the first `;` to the end of
/// the line, prefixed with the time, as on the console. Dictionary lines, which start with a space,
/// follow it in the record.
fn message(record: &str, text: &mut String) {
    let (head, rest) = record.split_once(';').unwrap_or_default();
    let micros: u64 =
        head.split(',').nth(2).and_then(|field| field.parse().ok()).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    text.push_str(&format!("[{seconds:5}.{micros:06}] {line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_text() {
        let mut text = String::new();
        message("6,1042,733,-;test_bpf: #0 TAX jited:1 12 PASS\n SUBSYSTEM=x\n", &mut text);
        message("4,1,2,-;a; b\n", &mut text);
        assert_eq!(text, "[    0.000733] test_bpf: #0 TAX jited:1 12 PASS\n[    0.000002] a; b\n");
    }
}
