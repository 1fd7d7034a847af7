//! Golden logs: each starts with the splats that it must give, one `# kind | title | case` a line,
//! then an empty line. `UPDATE_GOLDEN=1` rewrites what differs.

use std::fs::OpenOptions;
use std::io::Write;

use super::*;

fn golden_logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vm/console/golden");
    let mut logs: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|ext| ext == "log"));
    logs.sort();
    logs
}

fn verdict(log: &str) -> String {
    let mut scanner = Scanner::default();
    log.lines().for_each(|line| scanner.feed(line));
    let line = |splat: Splat| {
        let case = splat.case.as_deref().unwrap_or("-");
        format!("# {} | {} | {case}\n", splat.kind, splat.title)
    };
    scanner.take().into_iter().map(line).collect()
}

#[test]
fn golden_logs_give_their_verdicts() {
    let logs = golden_logs();
    assert!(logs.len() >= 20, "only {} logs", logs.len());
    let mut wrong = String::new();
    for path in logs {
        let text = fs::read_to_string(&path).unwrap();
        let (expected, log) = match text.strip_prefix('\n') {
            Some(log) => ("", log),
            None => {
                let (head, log) = text.split_once("\n\n").unwrap();
                (&text[..=head.len()], log)
            }
        };
        let given = verdict(log);
        if given == expected {
            continue;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, format!("{given}\n{log}")).unwrap();
        }
        wrong += &format!("{}:\nexpected\n{expected}given\n{given}\n", path.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_log_is_read_as_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/console.log");
    let mut console = Console::create(&path).unwrap();
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    writer
        .write_all(b"[    0.1] x\r\n[    0.200000] bpf-indirect: case a/b jit\n[    0.2")
        .unwrap();
    console.update();
    assert_eq!(console.case(), Some("a/b jit"));
    assert_eq!(console.splats(), []);
    writer.write_all(b"10000] UBSAN: shift-out-of-bounds in kernel/bpf/core.c:1:2\nmore").unwrap();
    console.update();
    let splats = console.take_splats();
    assert_eq!(splats.len(), 1);
    assert_eq!(splats[0].case.as_deref(), Some("a/b jit"));
    assert_eq!(console.take_splats(), []);
    assert_eq!(console.tail(2).last().map(String::as_str), Some("more"));
    assert_eq!(console.tail(2).len(), 2);
}

#[test]
fn a_splat_taken_early_is_not_given_again() {
    let mut scanner = Scanner::default();
    scanner.feed("BUG: kernel NULL pointer dereference, address: 0000000000000010");
    assert_eq!(scanner.take().len(), 1);
    scanner.feed("Oops: Oops: 0000 [#1] SMP");
    scanner.feed("RIP: 0010:foo+0x1/0x2");
    scanner.feed("Kernel panic - not syncing: Fatal exception");
    assert_eq!(scanner.take(), []);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console.log");
    let mut console = Console::create(&path).unwrap();
    fs::write(&path, b"\xff\xfe\x00[\n\xf0\x9f\n[    0.100000] kernel BUG at a.c:1!\n").unwrap();
    console.update();
    assert_eq!(console.take_splats().len(), 1);
}
