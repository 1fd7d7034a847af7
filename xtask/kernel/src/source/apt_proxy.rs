//! The proxy that the machine's apt uses, in the order of preference of apt's http method
//! (methods/http.cc, `HttpServerState::Open`).

use std::process::Command;

use super::http::Proxy;
use harness_host::interrupt;

/// How apt would reach `url`; `other` where apt's configuration says nothing of it, or there is no
/// apt.
pub(super) fn for_url(url: &str, other: &Proxy) -> Proxy {
    let config = run(&["apt-config", "dump"]).unwrap_or_default();
    choose(&config, url, |program| run(&[program, url])).unwrap_or_else(|| other.clone())
}

/// What a command writes, if it succeeds.
fn run(line: &[&str]) -> Option<String> {
    let (program, args) = line.split_first()?;
    let output = interrupt::output(Command::new(program).args(args), &[]).ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Chooses from what `apt-config dump` writes. `detect` runs the program that the configuration
/// names to find a proxy.
fn choose(config: &str, url: &str, detect: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?.rsplit_once(':').map_or(authority, |(host, _)| host);
    // https takes the options of http where it has none of its own.
    let schemes: &[&str] = if scheme == "https" { &["https", "http"] } else { &["http"] };
    let option = |name: &str| {
        schemes.iter().find_map(|scheme| value(config, &format!("Acquire::{scheme}::{name}")))
    };
    let detected = || {
        let program = option("Proxy-Auto-Detect").or_else(|| option("ProxyAutoDetect"))?;
        detect(&program).filter(|proxy| !proxy.is_empty())
    };
    let proxy = option(&format!("Proxy::{host}")).or_else(detected).or_else(|| option("Proxy"))?;
    Some(match proxy.as_str() {
        "DIRECT" | "false" => Proxy::Direct,
        _ => Proxy::Through(proxy),
    })
}

/// The value of an option that is set to something: `Acquire::http::Proxy "http://p:3128";`.
fn value(config: &str, name: &str) -> Option<String> {
    config.lines().find_map(|line| {
        let (have, value) = line.split_once(' ')?;
        let value = value.strip_prefix('"')?.strip_suffix("\";")?;
        (have.eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(config: &str, url: &str) -> Option<Proxy> {
        choose(config, url, |_| None)
    }

    fn through(proxy: &str) -> Option<Proxy> {
        Some(Proxy::Through(proxy.to_owned()))
    }

    #[test]
    fn without_a_setting_there_is_none() {
        let config = "Acquire \"\";\nAcquire::http \"\";\nAcquire::http::Proxy \"\";\n";
        assert_eq!(chosen(config, "http://m.example/debian"), None);
        assert_eq!(chosen("", "http://m.example/debian"), None);
    }

    #[test]
    fn a_proxy_of_http_is_also_that_of_https() {
        let http = "Acquire::http::Proxy \"http://p.example:3128\";\n";
        assert_eq!(chosen(http, "http://m.example/x"), through("http://p.example:3128"));
        assert_eq!(chosen(http, "https://m.example/x"), through("http://p.example:3128"));
        let both = format!("{http}acquire::HTTPS::proxy \"http://s.example\";\n");
        assert_eq!(chosen(&both, "https://m.example/x"), through("http://s.example"));
        assert_eq!(chosen(&both, "http://m.example/x"), through("http://p.example:3128"));
    }

    #[test]
    fn a_hosts_own_setting_comes_first() {
        let config = "Acquire::http::Proxy \"http://p.example\";\n\
            Acquire::http::Proxy::m.example \"DIRECT\";\n";
        assert_eq!(chosen(config, "http://m.example:80/x"), Some(Proxy::Direct));
        assert_eq!(chosen(config, "http://n.example/x"), through("http://p.example"));
    }

    #[test]
    fn a_program_that_finds_the_proxy_comes_before_the_general_setting() {
        let config = "Acquire::http::Proxy-Auto-Detect \"/usr/bin/detect\";\n\
            Acquire::http::Proxy \"http://p.example\";\n";
        let detect = |answer: &'static str| {
            choose(config, "http://m.example/x", |program| {
                assert_eq!(program, "/usr/bin/detect");
                Some(answer.to_owned())
            })
        };
        assert_eq!(detect("http://found.example"), through("http://found.example"));
        assert_eq!(detect("DIRECT"), Some(Proxy::Direct));
        assert_eq!(detect(""), through("http://p.example"));
    }
}
