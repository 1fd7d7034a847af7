//! The kernel's log while something is being done, sent to the host as it comes.

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

/// Longest record of `/dev/kmsg` (`kernel/printk/printk.c`: `PRINTK_MESSAGE_MAX`), and then some.
const RECORD_SIZE: usize = 8 << 10;

/// Text to gather before it is sent.
const BATCH_SIZE: usize = 4 << 10;

/// How long to wait for further records. The log's buffer takes far longer to overflow.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `act` and sends what is logged from before its start to its end.
///
/// The log is read by a thread of its own, since `act` may block in the kernel, and what it logs
/// may be more than the log's buffer holds.
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
        // Asked before reading: what was logged until then is read for certain.
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

/// The end of the kernel's log, from when it was opened.
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
                // Whoever reads the text has to know that it is not all.
                text.push_str("[records were lost]\n");
                Ok(true)
            }
            Err(error) => Err(format!("failed to read /dev/kmsg: {error}")),
        }
    }
}

/// The text of a record (`Documentation/ABI/testing/dev-kmsg`): what is between the first `;` and
/// the end of the line. Lines of a dictionary follow, each after a blank. Before it comes the time,
/// as on the console.
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
