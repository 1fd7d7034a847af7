//! What the tags of a program say: how to load it, and what has to come of that.
//!
//! As `parse_test_spec()` of `tools/testing/selftests/bpf/test_loader.c`.

use super::message::Messages;

/// `BPF_F_*` flags of `BPF_PROG_LOAD` by name.
const FLAGS: [(&str, u32); 7] = [
    ("BPF_F_STRICT_ALIGNMENT", 1 << 0),
    ("BPF_F_ANY_ALIGNMENT", 1 << 1),
    ("BPF_F_TEST_RND_HI32", 1 << 2),
    ("BPF_F_TEST_STATE_FREQ", 1 << 3),
    ("BPF_F_SLEEPABLE", 1 << 4),
    ("BPF_F_XDP_HAS_FRAGS", 1 << 5),
    ("BPF_F_TEST_REG_INVARIANTS", 1 << 7),
];

/// The flags that every test is loaded with: random upper halves where the verifier takes them for
/// unused, and its own checks (`testing_prog_flags()` of `testing_helpers.c`).
const TESTING: u32 = 1 << 2 | 1 << 7;

/// Architectures that a test may be for.
const ARCHES: [&str; 5] = ["X86_64", "ARM64", "RISCV64", "s390x", "LOONGARCH"];
/// That of the guest.
const ARCH: &str = "X86_64";

/// `CAP_NET_ADMIN`, `CAP_SYS_ADMIN`, `CAP_PERFMON`, `CAP_BPF`: what an unprivileged test does
/// without (`drop_capabilities()`).
const DROPPED: [u8; 4] = [12, 21, 38, 39];

/// The return value that stands for a pointer: any will do.
const POINTER_VALUE: i32 = 0x0bad_cafe;

/// Packet that a program is run on: `TEST_DATA_LEN` of zeros.
pub const TEST_DATA_LEN: usize = 64;

/// What the tags of a program say.
#[derive(Clone, Debug)]
pub struct Spec {
    /// With privileges; `None` where it is not to be loaded so.
    pub privileged: Option<Expectation>,
    /// Without.
    pub unprivileged: Option<Expectation>,
    /// Loaded along with every other test of the object, and no test itself.
    pub auxiliary: bool,
    /// `BPF_LOG_*`.
    pub log_level: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// Bytes of the packet that lie in the linear part of its buffer, 0 for all.
    pub linear_size: u32,
    /// Whether it is for the guest's architecture.
    pub arch: bool,
    /// Whether it runs with the JIT, and whether it does without.
    pub jited: (bool, bool),
    /// What is asked for that this harness does not do.
    pub beyond: Option<String>,
}

/// What has to come of loading a program.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// Whether the load has to fail.
    pub fails: bool,
    /// What the verifier's log has to say.
    pub log: Messages,
    /// The lines of the translated program.
    pub xlated: Messages,
    /// Whether the machine code's lines are stated, which takes LLVM's own disassembler.
    pub states_jited: bool,
    /// What a run has to return; `None` for no run.
    pub returns: Option<Returns>,
    /// Capabilities to do without (`linux/capability.h`).
    pub without_caps: Vec<u8>,
}

/// A return value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// This one.
    Value(i32),
    /// Some address: any will do.
    Pointer,
}

impl Spec {
    /// Reads the tags of a program of a type.
    ///
    /// # Errors
    ///
    /// Which tag cannot be understood and why.
    pub fn parse(tags: &[String], prog_type: u32) -> Result<Self, String> {
        let mut reader = Reader::default();
        for tag in tags {
            reader.tag(tag, prog_type).map_err(|error| format!("tag `{tag}`: {error}"))?;
        }
        Ok(reader.finish())
    }
}

/// Half-read tags of one way to load.
#[derive(Debug, Default)]
struct Half {
    wanted: bool,
    fails: Option<bool>,
    log: Messages,
    xlated: Option<Messages>,
    states_jited: bool,
    returns: Option<Returns>,
    caps: u64,
}

#[derive(Debug)]
struct Reader {
    privileged: Half,
    unprivileged: Half,
    auxiliary: bool,
    log_level: u32,
    flags: u32,
    linear_size: u32,
    arches: Vec<String>,
    load_mode: Option<String>,
    beyond: Option<String>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            privileged: Half::default(),
            unprivileged: Half::default(),
            auxiliary: false,
            log_level: 0,
            flags: TESTING,
            linear_size: 0,
            arches: Vec::new(),
            load_mode: None,
            beyond: None,
        }
    }
}

impl Reader {
    fn tag(&mut self, tag: &str, prog_type: u32) -> Result<(), String> {
        let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
        let (name, half) = match name.strip_suffix("_unpriv") {
            Some(name) => (name, &mut self.unprivileged),
            None => (name, &mut self.privileged),
        };
        // Which of the two ways to load a tag asks for by being there.
        let mut wanted = true;
        match name {
            "test_expect_failure" => half.fails = Some(true),
            "test_expect_success" => half.fails = Some(false),
            "test_auxiliary" => self.auxiliary = true,
            "test_expect_msg" => half.log.push(value, false)?,
            "test_expect_not_msg" => half.log.push(value, true)?,
            "test_expect_xlated" => {
                half.xlated.get_or_insert_with(Messages::adjacent).push_line(value)?;
            }
            "test_retval" => half.returns = Some(returns(value)?),
            "test_caps" => half.caps |= caps(value)?,
            "test_jited" => {
                let last = self.arches.last().ok_or("it comes before any test_arch")?;
                wanted = last == ARCH;
                half.states_jited |= wanted;
            }
            _ => return self.other(name, value, prog_type),
        }
        half.wanted |= wanted;
        Ok(())
    }

    /// Tags that concern both ways to load.
    fn other(&mut self, name: &str, value: &str, prog_type: u32) -> Result<(), String> {
        match name {
            "test_log_level" => self.log_level = number(value)?.cast_unsigned(),
            "test_prog_flags" => {
                let (clear, name) = match value.strip_prefix('!') {
                    Some(name) => (true, name),
                    None => (false, value),
                };
                let known = FLAGS.iter().find(|(known, _)| *known == name);
                let flag = match known {
                    Some((_, flag)) => *flag,
                    None => number(name)?.cast_unsigned(),
                };
                self.flags = if clear { self.flags & !flag } else { self.flags | flag };
            }
            "test_arch" if ARCHES.contains(&value) => self.arches.push(value.to_owned()),
            "test_arch" => return Err("no such architecture".to_owned()),
            "load_mode" if ["jited", "no_jited"].contains(&value) => {
                self.load_mode = Some(value.to_owned());
            }
            "load_mode" => return Err("neither jited nor no_jited".to_owned()),
            "test_linear_size" => {
                // sched_cls, sched_act, cgroup_skb.
                if ![3, 4, 8].contains(&prog_type) {
                    return Err("programs of this type have no packet in parts".to_owned());
                }
                self.linear_size = number(value)?.cast_unsigned();
            }
            "test_btf_path" | "test_btf_func_path" | "test_expect_stderr"
            | "test_expect_stdout" => self.beyond = Some(name.to_owned()),
            // test_description, and what is not a tag of the tests.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Spec {
        let Self { privileged: p, unprivileged: u, .. } = self;
        let neither = !p.wanted && !u.wanted;
        // What the unprivileged way does not state is as with privileges.
        let unprivileged = Expectation {
            fails: u.fails.or(p.fails).unwrap_or_default(),
            log: if u.log.is_empty() { p.log.clone() } else { u.log },
            xlated: u.xlated.or_else(|| p.xlated.clone()).unwrap_or_default(),
            states_jited: u.states_jited || p.states_jited,
            returns: u.returns.or(p.returns),
            without_caps: DROPPED.into_iter().filter(|cap| u.caps >> cap & 1 == 0).collect(),
        };
        let privileged = Expectation {
            fails: p.fails.unwrap_or_default(),
            log: p.log,
            xlated: p.xlated.unwrap_or_default(),
            states_jited: p.states_jited,
            returns: p.returns,
            without_caps: Vec::new(),
        };
        let load = self.load_mode.as_deref();
        Spec {
            privileged: (p.wanted || neither).then_some(privileged),
            unprivileged: u.wanted.then_some(unprivileged),
            auxiliary: self.auxiliary,
            log_level: self.log_level,
            flags: self.flags,
            linear_size: self.linear_size,
            arch: self.arches.is_empty() || self.arches.iter().any(|arch| arch == ARCH),
            jited: (load != Some("no_jited"), load != Some("jited")),
            beyond: self.beyond,
        }
    }
}

impl Returns {
    /// Whether a return value is as expected.
    pub fn allows(self, retval: u32) -> bool {
        match self {
            Self::Value(value) => value == retval.cast_signed(),
            Self::Pointer => true,
        }
    }
}

fn returns(value: &str) -> Result<Returns, String> {
    Ok(match value {
        "_INT_MIN" => Returns::Value(i32::MIN),
        _ => match number(value)? {
            POINTER_VALUE => Returns::Pointer,
            value => Returns::Value(value),
        },
    })
}

/// A number of C's `int`, in decimal or after `0x`; what is larger loses its upper half.
fn number(text: &str) -> Result<i32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map(|value| value as i32).map_err(|_| format!("`{text}` is not a number"))
}

/// Bits of capabilities that stand in decimal between `|`.
fn caps(text: &str) -> Result<u64, String> {
    text.split('|').try_fold(0, |bits, cap| {
        let number: u32 = cap.trim().parse().map_err(|_| format!("`{cap}` is not a number"))?;
        let bit = 1u64.checked_shl(number).ok_or_else(|| format!("no capability {number}"))?;
        Ok(bits | bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(tags: &[&str]) -> Result<Spec, String> {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Spec::parse(&tags, 1)
    }

    #[test]
    fn nothing_stated_is_success_with_privileges() {
        let spec = parse(&[]).unwrap();
        assert!(!spec.privileged.unwrap().fails);
        assert!(spec.unprivileged.is_none() && !spec.auxiliary && spec.arch);
        assert_eq!((spec.flags, spec.log_level, spec.jited), (TESTING, 0, (true, true)));
    }

    #[test]
    fn the_unprivileged_way_takes_over_what_it_does_not_state() {
        let spec = parse(&[
            "test_expect_failure",
            "test_expect_msg=why",
            "test_retval=7",
            "test_expect_failure_unpriv",
        ]);
        let unprivileged = spec.unwrap().unprivileged.unwrap();
        assert!(unprivileged.fails && unprivileged.log.judge("why", "log").is_none());
        assert!(unprivileged.log.judge("", "log").is_some());
        assert_eq!(unprivileged.returns, Some(Returns::Value(7)));
        assert_eq!(unprivileged.without_caps, DROPPED);

        let spec = parse(&[
            "test_expect_failure",
            "test_expect_msg=why",
            "test_expect_success_unpriv",
            "test_expect_msg_unpriv=other",
            "test_retval_unpriv=0x10",
            "test_caps_unpriv=39|12",
        ]);
        let spec = spec.unwrap();
        let unprivileged = spec.unprivileged.unwrap();
        assert!(!unprivileged.fails && unprivileged.log.judge("other", "log").is_none());
        assert_eq!(unprivileged.returns, Some(Returns::Value(16)));
        assert_eq!(unprivileged.without_caps, [21, 38]);
        let privileged = spec.privileged.unwrap();
        assert_eq!((privileged.returns, privileged.fails), (None, true));
    }

    #[test]
    fn only_what_is_stated_for_a_way_makes_it_run() {
        let spec = parse(&["test_expect_success_unpriv"]).unwrap();
        assert!(spec.privileged.is_none() && spec.unprivileged.is_some());
        let spec = parse(&["test_auxiliary", "test_auxiliary_unpriv"]).unwrap();
        assert!(spec.auxiliary && spec.privileged.is_some() && spec.unprivileged.is_some());
        let spec = parse(&["test_log_level=2", "test_arch=X86_64"]).unwrap();
        assert!(spec.privileged.is_some());
    }

    #[test]
    fn flags_are_set_and_cleared_by_name_or_number() {
        let flags = |tags: &[&str]| parse(tags).unwrap().flags & !TESTING;
        assert_eq!(flags(&["test_prog_flags=BPF_F_TEST_STATE_FREQ", "test_prog_flags=0x20"]), 0x28);
        let spec = parse(&["test_prog_flags=!BPF_F_TEST_REG_INVARIANTS"]).unwrap();
        assert_eq!(spec.flags, 4);
        assert!(parse(&["test_prog_flags=BPF_F_NO_SUCH"]).unwrap_err().contains("is not a number"));
    }

    #[test]
    fn values_are_those_of_c() {
        let returns = |value: &str| parse(&[value]).unwrap().privileged.unwrap().returns.unwrap();
        assert_eq!(returns("test_retval=-1"), Returns::Value(-1));
        assert_eq!(returns("test_retval=0xffffffff"), Returns::Value(-1));
        assert!(returns("test_retval=-1").allows(u32::MAX));
        assert!(!returns("test_retval=-1").allows(1));
        assert_eq!(returns("test_retval=_INT_MIN"), Returns::Value(i32::MIN));
        assert!(returns("test_retval=0xbadcafe").allows(77));
    }

    #[test]
    fn architecture_and_jit_choose_where_a_test_runs() {
        assert!(!parse(&["test_arch=ARM64"]).unwrap().arch);
        assert!(parse(&["test_arch=ARM64", "test_arch=X86_64"]).unwrap().arch);
        assert!(parse(&["test_arch=vax"]).is_err());
        assert_eq!(parse(&["load_mode=jited"]).unwrap().jited, (true, false));
        assert_eq!(parse(&["load_mode=no_jited"]).unwrap().jited, (false, true));
        let jited = |tags: &[&str]| parse(tags).unwrap().privileged.unwrap().states_jited;
        assert!(jited(&["test_arch=X86_64", "test_jited=exit"]));
        assert!(!jited(&["test_arch=ARM64", "test_jited=exit"]));
        assert!(parse(&["test_jited=exit"]).is_err());
    }

    #[test]
    fn packets_in_parts_are_for_programs_that_have_them() {
        let tags = ["test_linear_size=14".to_owned()];
        assert_eq!(Spec::parse(&tags, 3).unwrap().linear_size, 14);
        assert!(Spec::parse(&tags, 1).is_err());
    }
}
