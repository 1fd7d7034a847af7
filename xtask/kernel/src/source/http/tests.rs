//! Tests of downloading, against a local server.

use std::iter::repeat_n;
use std::path::PathBuf;

use super::super::test_server::{Server, options, part, reply, stalling, whole};
use super::*;

const DIGEST: &str = "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3";

/// A place for a download, with what an earlier one left.
fn target(left: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.part");
    if !left.is_empty() {
        fs::write(&path, left).unwrap();
    }
    (dir, path)
}

fn get(server: &Server, path: &Path) -> Result<bool, String> {
    let client = Client::new(options());
    client.file(&server.url("f"), path).map_err(|error| format!("{error:#}"))
}

fn ranges(server: &Server) -> Vec<Option<String>> {
    let range = |request: &String| {
        request.lines().find_map(|line| line.strip_prefix("range: ").map(str::to_owned))
    };
    server.requests().iter().map(range).collect()
}

#[test]
fn a_file_comes_whole() {
    let (_dir, path) = target("");
    let server = Server::start([whole("0123456789")]);
    assert_eq!(get(&server, &path), Ok(false));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
    assert_eq!(ranges(&server), [None]);
    assert!(!server.requests()[0].contains("accept-encoding"));
}

#[test]
fn a_connection_that_is_cut_is_resumed_where_it_broke() {
    let (_dir, path) = target("");
    let cut = reply("200 OK", &[], 10, "0123");
    let server = Server::start([cut, part(4, 10, "45"), part(6, 10, "6789")]);
    assert_eq!(get(&server, &path), Ok(false));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
    assert_eq!(ranges(&server), [None, Some("bytes=4-".into()), Some("bytes=6-".into())]);
}

#[test]
fn what_an_earlier_run_left_is_kept() {
    let (_dir, path) = target("0123");
    let server = Server::start([part(4, 10, "456789")]);
    assert_eq!(get(&server, &path), Ok(true));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
}

#[test]
fn a_server_that_ignores_ranges_starts_it_over() {
    let (_dir, path) = target("something longer than the file");
    let server = Server::start([whole("0123456789"), whole("0123456789")]);
    assert_eq!(get(&server, &path), Ok(false));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
}

#[test]
fn a_part_of_another_place_starts_it_over() {
    let (_dir, path) = target("0123");
    let server = Server::start([part(2, 10, "23456789"), whole("0123456789")]);
    assert_eq!(get(&server, &path), Ok(false));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
    assert_eq!(ranges(&server), [Some("bytes=4-".into()), None]);
}

#[test]
fn a_file_that_is_there_already_needs_nothing_more() {
    let (_dir, path) = target("0123456789");
    let answer = reply("416 Range Not Satisfiable", &["Content-Range: bytes */10"], 0, "");
    let server = Server::start([answer]);
    assert_eq!(get(&server, &path), Ok(true));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
}

#[test]
fn a_file_that_is_longer_than_the_servers_starts_it_over() {
    let (_dir, path) = target("something longer than the file");
    let answer = reply("416 Range Not Satisfiable", &["Content-Range: bytes */10"], 0, "");
    let server = Server::start([answer, whole("0123456789")]);
    assert_eq!(get(&server, &path), Ok(false));
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
}

#[test]
fn not_found_is_said_at_once() {
    let (_dir, path) = target("");
    let server = Server::start(repeat_n(reply("404 Not Found", &[], 2, "no"), 5));
    let error = get(&server, &path).unwrap_err();
    assert!(error.contains("404") && error.contains(&server.url("f")), "{error}");
    assert_eq!(server.requests().len(), 1);
    assert!(!path.exists());
}

#[test]
fn nobody_there_is_said_at_once() {
    let (_dir, path) = target("");
    let server = Server::start([whole("")]);
    get(&server, &path).unwrap();
    let error = get(&server, &path).unwrap_err();
    assert!(error.contains(&server.url("f")) && error.contains("connect"), "{error}");
}

#[test]
fn a_server_that_falls_silent_is_left_and_its_bytes_stay() {
    let (_dir, path) = target("");
    let first = stalling(reply("200 OK", &[], 10, "0123"));
    let server = Server::start([first, stalling(part(4, 10, ""))]);
    let client = Client::new(Options { silence: Duration::from_secs(1), ..options() });
    let error = format!("{:#}", client.file(&server.url("f"), &path).unwrap_err());
    assert!(error.contains("broke off at byte 4") && error.contains("too slow"), "{error}");
    assert_eq!(fs::read_to_string(path).unwrap(), "0123");
    assert_eq!(ranges(&server), [None, Some("bytes=4-".into())]);
}

#[test]
fn a_server_that_never_speaks_is_left() {
    let (_dir, path) = target("");
    let server = Server::start([stalling(super::super::test_server::Answer::Send("".into()))]);
    let client = Client::new(Options { silence: Duration::from_secs(1), ..options() });
    let error = format!("{:#}", client.file(&server.url("f"), &path).unwrap_err());
    assert!(error.contains("too slow"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_file_that_always_breaks_off_at_the_same_byte_is_given_up() {
    let (_dir, path) = target("");
    // Without ranges: each time from the start, each time no further.
    let server = Server::start(repeat_n(reply("200 OK", &[], 10, "0123"), 9));
    let error = get(&server, &path).unwrap_err();
    assert!(error.contains("broke off at byte 4"), "{error}");
    // The second asks for a range.
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_file_that_breaks_off_too_often_is_given_up() {
    let (_dir, path) = target("");
    let cuts = (1..9).map(|from| part(from, 10, "x"));
    let server = Server::start([reply("200 OK", &[], 10, "x")].into_iter().chain(cuts));
    let error = get(&server, &path).unwrap_err();
    assert!(error.contains("broke off at byte 4"), "{error}");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_redirection_is_followed_and_a_loop_is_not() {
    let (_dir, path) = target("");
    let away = reply("302 Found", &["Location: /elsewhere"], 0, "");
    let server = Server::start([away.clone(), whole("0123456789")]);
    assert_eq!(get(&server, &path), Ok(false));
    assert!(server.requests()[1].starts_with("get /elsewhere "));

    let (_dir, path) = target("");
    let server = Server::start(repeat_n(away, 50));
    let error = get(&server, &path).unwrap_err();
    assert!(error.contains("redirect"), "{error}");
    assert!(server.requests().len() < 10, "{}", server.requests().len());
}

#[test]
fn the_listing_tells_the_digest_of_exactly_this_name() {
    let other = DIGEST.replace('7', "1");
    let text = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{other}  linux-7.3.4.tar.gz\n\
         {other}  x-linux-7.3.4.tar.xz\n{DIGEST}  linux-7.3.4.tar.xz\n{other} *star.tar.xz\n\
         -----BEGIN PGP SIGNATURE-----\n"
    );
    let expected = DIGEST.parse().ok();
    assert_eq!(find_digest(&text, "linux-7.3.4.tar.xz"), expected);
    assert_eq!(find_digest(&text.replace('\n', "\r\n"), "linux-7.3.4.tar.xz"), expected);
    assert_eq!(find_digest(&text, "star.tar.xz"), other.parse().ok());
    for absent in ["linux-7.3.4.tar", "7.3.4.tar.xz", "", "Hash:"] {
        assert_eq!(find_digest(&text, absent), None, "{absent}");
    }
}

#[test]
fn a_listing_without_the_file_names_both() {
    let server = Server::start([whole(&format!("{DIGEST}  other\n"))]);
    let url = server.url("sums");
    let error = Client::new(options()).listed_digest(&url, "f.tar.xz").unwrap_err();
    assert_eq!(error.to_string(), format!("{url} gives no digest for f.tar.xz"));
}

#[test]
fn a_listing_that_breaks_off_is_not_believed() {
    let text = format!("{DIGEST}  f.tar.xz\n");
    let server = Server::start([reply("200 OK", &[], text.len() + 9, &text)]);
    assert!(Client::new(options()).listed_digest(&server.url("sums"), "f.tar.xz").is_err());
}

#[test]
fn only_the_last_answer_counts() {
    let text = "HTTP/1.1 302 Found\r\nContent-Length: 3\r\nLocation: /x\r\n\r\n\
        HTTP/2 200\r\ncontent-length: 10\r\n\r\n";
    let answer = Answer::parse(text).unwrap();
    assert_eq!((answer.length, answer.unsatisfied), (Some(10), None));
    let answer = Answer::parse("HTTP/1.1 416 No\r\nContent-Range: bytes */7\r\n\r\n").unwrap();
    assert_eq!((answer.length, answer.unsatisfied), (None, Some(7)));
    assert!(Answer::parse("").is_none());
}

#[test]
fn a_redirection_does_not_leave_https() {
    let command = Client::new(options()).curl("https://h.invalid/f");
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    assert!(args.windows(2).any(|pair| pair == ["--proto-redir", "=https"]), "{args:?}");
}
