//! The command that runs something again as it ran.

use harness_kernel::bases;
use harness_kernel::build::BuiltKernel;
use harness_results::facts::{HostFacts, KernelFacts};

/// What a session ran on, as far as options of `test` say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Name of the base, or the path of the user's tree.
    pub base: String,
    /// How much of the series.
    pub series: String,
    /// Names of the configs beside `base`.
    pub configs: Vec<String>,
    /// `kvm` or `tcg`; `None` where it does not matter.
    pub accel: Option<String>,
}

/// What is run where the command line says nothing of it.
impl Default for Setting {
    fn default() -> Self {
        let base = bases::default_name();
        Self { base, series: "all".to_owned(), configs: Vec::new(), accel: None }
    }
}

impl Setting {
    /// That of a session with a report.
    pub fn of(kernel: &KernelFacts, host: &HostFacts) -> Self {
        Self {
            base: kernel.base.clone(),
            series: kernel.series.clone(),
            configs: kernel.configs.clone(),
            accel: Some(host.accel.clone()),
        }
    }

    /// That of a kernel that was built, and how its guest is executed.
    pub fn new(built: &BuiltKernel, accel: &str) -> Self {
        Self {
            base: built.base.clone(),
            series: built.series.to_string(),
            configs: built.configs.clone(),
            accel: Some(accel.to_owned()),
        }
    }

    /// The command that runs one case, or a suite of the kernel's, in these modes.
    pub fn case<'m>(&self, name: &str, modes: impl IntoIterator<Item = &'m str>) -> String {
        self.filters(&[format!("^{}$", regex::escape(name))], modes)
    }

    /// The command that runs what the filters select, in these modes; without any, in all.
    pub fn filters<'m>(
        &self,
        filters: &[String],
        modes: impl IntoIterator<Item = &'m str>,
    ) -> String {
        let mut command = "cargo xtask test".to_owned();
        for filter in filters {
            command.push(' ');
            command.push_str(&quoted(filter));
        }
        let mut option = |name: &str, value: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
            let value = if value.chars().all(plain) { value.to_owned() } else { quoted(value) };
            command.push_str(&format!(" --{name} {value}"));
        };
        for mode in modes {
            option("mode", mode);
        }
        // A base of bases.toml is a version, a tree a path.
        let tree = self.base.starts_with('/');
        if tree {
            option("linux", &self.base);
        } else if self.base != bases::default_name() {
            option("base", &self.base);
        }
        if self.series != if tree { "none" } else { "all" } {
            option("series", &self.series);
        }
        for config in &self.configs {
            option("config", config);
        }
        if let Some(accel) = &self.accel {
            option("accel", accel);
        }
        command
    }
}

/// Quoted for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(base: &str, series: &str) -> Setting {
        Setting { base: base.into(), series: series.into(), configs: Vec::new(), accel: None }
    }

    #[test]
    fn what_is_usual_is_left_out() {
        let usual = setting(&bases::default_name(), "all");
        assert_eq!(usual.case("a/b.c", []), r"cargo xtask test '^a/b\.c$'");
        assert_eq!(setting("/l", "none").case("a", []), "cargo xtask test '^a$' --linux /l");
    }

    #[test]
    fn what_is_unusual_is_said_and_quoted() {
        let unusual = Setting {
            configs: vec!["hardened".into(), "its".into()],
            accel: Some("kvm".into()),
            ..setting("/my linux", "3")
        };
        assert_eq!(
            unusual.filters(&["it's".into(), "b".into()], ["jit", "interp"]),
            r"cargo xtask test 'it'\''s' 'b' --mode jit --mode interp --linux '/my linux' --series 3 --config hardened --config its --accel kvm"
        );
        assert_eq!(
            setting("0.1", "none").case("a", []),
            "cargo xtask test '^a$' --base 0.1 --series none"
        );
    }
}
