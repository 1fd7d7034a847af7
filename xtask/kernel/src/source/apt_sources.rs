//! Reads the machine's apt sources, to learn which mirror it gets Debian from (sources.list(5)).

use std::fs;
use std::path::Path;

/// One entry, of either format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    types: Vec<String>,
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// Path of a keyring; `None` where none is named or the key stands in the entry itself.
    signed_by: Option<String>,
}

/// The mirrors that serve Debian's component main, the most likely ones first; a list of mirrors
/// (apt-transport-mirror(1)) counts as the mirrors in it. What is found is a guess, and to be used
/// only for files whose digest is known.
///
/// `etc` is `/etc/apt`. Files that cannot be read are passed over.
pub(crate) fn debian_mirrors(etc: &Path) -> Vec<String> {
    let mut entries = Vec::new();
    if let Ok(text) = fs::read_to_string(etc.join("sources.list")) {
        entries.extend(parse_lines(&text));
    }
    let mut files: Vec<_> = fs::read_dir(etc.join("sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(parse_lines(&text)),
            Some("sources") => entries.extend(parse_stanzas(&text)),
            _ => {}
        }
    }
    rank(&entries).into_iter().flat_map(|uri| listed(&uri).unwrap_or_else(|| vec![uri])).collect()
}

/// The mirrors in the list that `mirror+file:` leads to, one a line, with tags after it.
fn listed(uri: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(uri.strip_prefix("mirror+file:")?).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Some(lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect())
}

/// The one-line format: `deb [option=value ...] uri suite component ...`.
fn parse_lines(text: &str) -> Vec<Entry> {
    text.lines().filter_map(|line| parse_line(line.split('#').next()?.trim())).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let (kind, mut rest) = line.split_once(char::is_whitespace)?;
    rest = rest.trim_start();
    let mut signed_by = None;
    if let Some(bracket) = rest.strip_prefix('[') {
        let (options, after) = bracket.split_once(']')?;
        signed_by = options.split_whitespace().find_map(|option| {
            let (name, value) = option.split_once('=')?;
            (name.trim_end_matches(['+', '-']).eq_ignore_ascii_case("signed-by"))
                .then(|| value.to_owned())
        });
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Entry {
        types: vec![kind.to_owned()],
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by,
    })
}

/// The deb822 format: stanzas of `Field: value`, where lines that begin with a space go on.
fn parse_stanzas(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    // A comment does not end a stanza, nor a value that goes on.
    for line in text.lines().filter(|line| !line.starts_with('#')).chain([""]) {
        if line.trim().is_empty() {
            entries.extend(stanza(&fields));
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

fn stanza(fields: &[(String, String)]) -> Option<Entry> {
    let field = |wanted: &str| {
        fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let words = |wanted: &str| -> Vec<String> {
        field(wanted).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    // The words that apt takes for false (StringToBool in apt-pkg/contrib/strutl.cc).
    let off = ["no", "false", "without", "off", "disable", "0"];
    if field("enabled").is_some_and(|value| off.contains(&value.to_ascii_lowercase().as_str())) {
        return None;
    }
    let entry = Entry {
        types: words("types"),
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signed_by: field("signed-by").filter(|value| value.starts_with('/')).map(str::to_owned),
    };
    (!entry.types.is_empty() && !entry.uris.is_empty()).then_some(entry)
}

fn rank(entries: &[Entry]) -> Vec<String> {
    let mut found: Vec<(u32, &str)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.serves_debian()) {
        for uri in entry.uris.iter().filter(|uri| !is_another_archive(uri)) {
            let mut likely = 0;
            if uri.trim_end_matches('/').ends_with("/debian") {
                likely += 4;
            }
            if entry.signed_by.is_some() {
                likely += 2;
            }
            if entry.types.iter().any(|kind| kind == "deb") {
                likely += 1;
            }
            match found.iter_mut().find(|(_, have)| have == uri) {
                Some((best, _)) => *best = likely.max(*best),
                None => found.push((likely, uri)),
            }
        }
    }
    // Stable: among equals the file's order holds.
    found.sort_by_key(|(likely, _)| std::cmp::Reverse(*likely));
    found.into_iter().map(|(_, uri)| uri.to_owned()).collect()
}

impl Entry {
    fn serves_debian(&self) -> bool {
        self.types.iter().any(|kind| kind == "deb" || kind == "deb-src")
            && self.components.iter().any(|component| component == "main")
            && self.suites.iter().any(|suite| is_debian_suite(suite))
            && self.signed_by.as_ref().is_none_or(|path| {
                // Other archives use Debian's suites too, but not Debian's key.
                path.rsplit('/').next().is_some_and(|name| name.contains("debian"))
            })
    }
}

/// Whether Debian's main archive has such a suite. Not its security archive, which has no
/// backports.
fn is_debian_suite(suite: &str) -> bool {
    const NAMES: [&str; 13] = [
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
        "sid",
        "experimental",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "rc-buggy",
    ];
    const POCKETS: [&str; 4] = ["updates", "backports", "proposed-updates", "backports-sloppy"];
    NAMES.iter().any(|name| match suite.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|pocket| POCKETS.contains(&pocket)),
        None => false,
    })
}

fn is_another_archive(uri: &str) -> bool {
    uri.starts_with("cdrom:") || uri.contains("debian-security") || uri.contains("debian-debug")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        rank(&parse_lines(text))
    }

    fn stanzas(text: &str) -> Vec<String> {
        rank(&parse_stanzas(text))
    }

    #[test]
    fn one_line_entries() {
        let text = "# deb http://commented.example/debian trixie main\n\
            deb http://a.example/debian bookworm main contrib # the mirror\n\
            deb http://a.example/debian bookworm-updates main\n\
            deb http://a.example/debian-security bookworm-security main\n\
            \n\
            deb\n\
            deb http://half.example/debian\n";
        assert_eq!(lines(text), ["http://a.example/debian"]);
    }

    #[test]
    fn one_line_options() {
        let text = "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
             https://b.example/debian/ trixie main";
        let entry = parse_line(text).unwrap();
        assert_eq!(
            entry.signed_by.as_deref(),
            Some("/usr/share/keyrings/debian-archive-keyring.gpg")
        );
        assert_eq!(lines(text), ["https://b.example/debian/"]);
        assert!(lines("deb [ arch=amd64 http://b.example/debian trixie main").is_empty());
        let spaced = "deb\t[ trusted=yes ]\thttp://b.example/debian\ttrixie\tmain";
        assert_eq!(lines(spaced), ["http://b.example/debian"]);
    }

    #[test]
    fn other_archives_are_left_out() {
        for line in [
            "deb [signed-by=/usr/share/keyrings/hashicorp.gpg] https://x.example bookworm main",
            "deb https://packages.example/apt cloud-sdk-bookworm main",
            "deb https://deb.example/node_20.x nodistro main",
            "deb https://download.example/linux/debian bookworm stable",
            "deb http://x.example/ubuntu noble main",
            "deb http://x.example/debian-debug bookworm-debug main",
            "deb cdrom:[Debian]/ bookworm main",
            "rpm http://x.example/debian bookworm main",
            "deb http://x.example/debian bookworm non-free",
        ] {
            assert_eq!(lines(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn the_likeliest_mirror_comes_first() {
        let text = "deb http://bare.example/ bookworm main\n\
            deb-src http://src.example/debian bookworm main\n\
            deb http://plain.example/debian bookworm main\n";
        let expected =
            ["http://plain.example/debian", "http://src.example/debian", "http://bare.example/"];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn deb822_as_debians_images_have_it() {
        let text = "Types: deb\n\
            # http://snapshot.example/archive/debian/20250520T000000Z\n\
            URIs: http://c.example/debian\n\
            Suites: bookworm bookworm-updates\n\
            Components: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\
            \n\
            Types: deb\n\
            URIs: http://c.example/debian-security\n\
            Suites: bookworm-security\n\
            Components: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        assert_eq!(stanzas(text), ["http://c.example/debian"]);
    }

    #[test]
    fn deb822_of_cloud_images_names_a_mirror_list() {
        let text = "Types: deb deb-src\nURIs: mirror+file:///etc/apt/mirrors/debian.list\n\
            Suites: trixie trixie-updates trixie-backports\nComponents: main\n";
        assert_eq!(stanzas(text), ["mirror+file:///etc/apt/mirrors/debian.list"]);
    }

    #[test]
    fn deb822_fields_in_any_case_over_several_lines() {
        let text = "types: deb\nURIS:\n http://one.example/debian\n# between\n\
            \thttps://two.example/debian\nsuites: stable\ncomponents: main non-free-firmware\n";
        assert_eq!(stanzas(text), ["http://one.example/debian", "https://two.example/debian"]);
    }

    #[test]
    fn deb822_that_is_switched_off() {
        for (value, count) in [("no", 0), ("False", 0), ("0", 0), ("yes", 1), ("", 1)] {
            let text = format!(
                "Enabled: {value}\nTypes: deb\nURIs: http://d.example/debian\nSuites: sid\n\
                 Components: main\n"
            );
            assert_eq!(stanzas(&text).len(), count, "Enabled: {value}");
        }
    }

    #[test]
    fn a_key_inside_the_entry_is_no_path() {
        let text = "Types: deb\nURIs: http://e.example/debian\nSuites: trixie\nComponents: main\n\
            Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGPL0BUBEADmW5NdOOHwPIJl\n";
        assert_eq!(parse_stanzas(text)[0].signed_by, None);
        assert_eq!(stanzas(text), ["http://e.example/debian"]);
    }

    #[test]
    fn files_are_read_by_their_format_and_others_passed_over() {
        let etc = tempfile::tempdir().unwrap();
        let parts = etc.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        fs::write(etc.path().join("sources.list"), "deb http://l.example/debian sid main").unwrap();
        let stanza = "Types: deb\nURIs: http://s.example/debian\nSuites: sid\nComponents: main";
        fs::write(parts.join("a.sources"), stanza).unwrap();
        fs::write(parts.join("b.sources.disabled"), stanza.replace("s.ex", "off.ex")).unwrap();
        fs::write(parts.join("c.list"), "deb http://c.example/debian sid main").unwrap();
        let expected =
            ["http://l.example/debian", "http://s.example/debian", "http://c.example/debian"];
        assert_eq!(debian_mirrors(etc.path()), expected);
        let list = etc.path().join("mirrors.list");
        fs::write(&list, "# local\nhttp://x.example/debian priority:1\nhttp://y.example/debian\n")
            .unwrap();
        let entry = format!("deb mirror+file:{} sid main", list.display());
        fs::write(etc.path().join("sources.list"), entry).unwrap();
        let expected = ["http://s.example/debian", "http://c.example/debian"];
        assert_eq!(debian_mirrors(etc.path())[..2], expected);
        let expected = ["http://x.example/debian", "http://y.example/debian"];
        assert_eq!(debian_mirrors(etc.path())[2..], expected);
        assert_eq!(debian_mirrors(&parts.join("none")), [""; 0]);
    }
}
