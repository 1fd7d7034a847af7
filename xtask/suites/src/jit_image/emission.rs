//! What the kernel under test has to emit, by its configuration and by what it says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use harness_kernel::build::BuiltKernel;
use harness_session::guest::Guest;

/// How an indirect branch has to be emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Branch {
    /// As it is.
    #[default]
    Bare,
    /// After LFENCE.
    Lfence,
    /// Through retpolines.
    Retpoline,
    /// Through retpolines that count the depth of calls.
    CallDepth,
    /// Through thunks in the upper half of a cache line.
    Its,
}

/// Names of thunks by address, from the kernel's symbol table. The text of a kernel that is entered
/// through PVH is where it was linked to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Symbols(BTreeMap<u64, String>);

/// Starts of the names of thunks that branch indirectly (`arch/x86/lib/retpoline.S`). The paranoid one,
/// which goes on only if a compare in front of it has found two hashes equal, is never the right one.
const INDIRECT: [&str; 5] = [
    "__x86_indirect_thunk_",
    "__x86_indirect_jump_thunk_",
    "__x86_indirect_call_thunk_",
    "__x86_indirect_its_thunk_",
    "__x86_indirect_paranoid_thunk_",
];

impl Symbols {
    fn of(vmlinux: &Path) -> Result<Self> {
        let failed = || format!("failed to read the symbols of {}", vmlinux.display());
        let bytes = fs::read(vmlinux).with_context(failed)?;
        let elf = goblin::elf::Elf::parse(&bytes).with_context(failed)?;
        let named = |symbol: goblin::elf::Sym| {
            Some((symbol.st_value, elf.strtab.get_at(symbol.st_name)?.to_owned()))
        };
        Ok(Self::from_iter(elf.syms.iter().filter_map(named)))
    }

    /// The thunk at an address, if one starts there.
    pub(super) fn indirect_thunk(&self, address: u64) -> Option<&str> {
        self.0.get(&address).map(String::as_str)
    }
}

impl FromIterator<(u64, String)> for Symbols {
    fn from_iter<T: IntoIterator<Item = (u64, String)>>(symbols: T) -> Self {
        let thunk = |(_, name): &(u64, String)| {
            // The array's own name stands where its first thunk starts.
            INDIRECT.iter().any(|start| name.starts_with(start)) && !name.ends_with("_array")
        };
        Self(symbols.into_iter().filter(thunk).collect())
    }
}

/// What a kernel has to emit. The default is for one without any mitigation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emission {
    branch: Branch,
    retpoline: bool,
    sls: bool,
    ibt: bool,
    spectre_v1: bool,
    symbols: Symbols,
}

impl Emission {
    /// The files that [`Emission::new`] wants to know.
    pub const ASKED: [&str; 3] = ["spectre_v2", "retbleed", "indirect_target_selection"];

    /// What the kernel in a guest has to emit, once it has said that it does what its config is for.
    ///
    /// # Errors
    ///
    /// When the guest cannot be started or does not answer; when the kernel says something else than
    /// the config states, or its files cannot be read.
    pub fn of(guest: &mut Guest, built: &BuiltKernel) -> Result<Self> {
        let stated = &built.boot.vulnerabilities;
        let asked = stated.keys().map(String::as_str).chain(Self::ASKED);
        let said = guest.vulnerabilities(asked)?;
        for (file, start) in stated {
            let is = said.get(file).map_or("nothing", String::as_str);
            ensure!(
                is.starts_with(start.as_str()),
                "the kernel says of {file}: {is}; its config is made for: {start}"
            );
        }
        Self::new(&built.vmlinux, &built.config, &said)
    }

    /// What a kernel has to emit that was built with a configuration, and of whose mitigations
    /// `/sys/devices/system/cpu/vulnerabilities` says this, by file.
    ///
    /// # Errors
    ///
    /// When the configuration or the symbols cannot be read.
    pub fn new(
        vmlinux: &Path,
        config: &Path,
        vulnerabilities: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let config = fs::read_to_string(config)
            .with_context(|| format!("failed to read {}", config.display()))?;
        Ok(Self::from_parts(&config, vulnerabilities, Symbols::of(vmlinux)?))
    }

    pub(super) fn from_parts(
        config: &str,
        vulnerabilities: &BTreeMap<String, String>,
        symbols: Symbols,
    ) -> Self {
        let set = |option: &str| config.lines().any(|line| line == format!("CONFIG_{option}=y"));
        let says = |file: &str, word: &str| {
            vulnerabilities.get(file).is_some_and(|text| text.contains(word))
        };
        // The order is that of emit_indirect_jump() in arch/x86/net/bpf_jit_comp.c; the kernel uses
        // ITS thunks for branches only where there are no retpolines
        // (arch/x86/kernel/cpu/bugs.c, its_apply_mitigation()).
        let branch = if says("spectre_v2", "LFENCE") {
            Branch::Lfence
        } else if says("spectre_v2", "Retpolines") {
            let counted = ["retbleed", "indirect_target_selection"];
            match counted.iter().any(|file| says(file, "Stuffing")) {
                true => Branch::CallDepth,
                false => Branch::Retpoline,
            }
        } else if says("indirect_target_selection", "Aligned branch") {
            Branch::Its
        } else {
            Branch::Bare
        };
        Self {
            branch,
            retpoline: set("MITIGATION_RETPOLINE"),
            sls: set("MITIGATION_SLS"),
            ibt: set("X86_KERNEL_IBT"),
            // bpf_bypass_spec_v1() in include/linux/bpf.h: nothing is mitigated where
            // cpu_mitigations_off() says so, which it does without this option.
            spectre_v1: set("CPU_MITIGATIONS"),
            symbols,
        }
    }

    /// Whether programs without CAP_PERFMON are kept from speculating.
    pub(crate) fn mitigates_spectre_v1(&self) -> bool {
        self.spectre_v1
    }

    /// The thunks.
    pub(super) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// How the name of the thunk starts that a branch has to take; `None` where it takes none.
    pub(super) fn thunk(&self, call: bool) -> Option<&'static str> {
        match (self.branch, call) {
            (Branch::Bare | Branch::Lfence, _) => None,
            (Branch::Retpoline, _) => Some("__x86_indirect_thunk_"),
            (Branch::CallDepth, false) => Some("__x86_indirect_jump_thunk_"),
            (Branch::CallDepth, true) => Some("__x86_indirect_call_thunk_"),
            (Branch::Its, _) => Some("__x86_indirect_its_thunk_"),
        }
    }

    /// Whether LFENCE has to stand before a branch.
    pub(super) fn lfence(&self) -> bool {
        self.branch == Branch::Lfence
    }

    /// Whether INT3 has to stand after an indirect jump. The kernel puts none after LFENCE and a
    /// jump.
    pub(super) fn int3_after_jump(&self) -> bool {
        self.branch == Branch::Bare && (self.retpoline || self.sls)
    }

    /// Whether INT3 has to stand after a return.
    pub(super) fn sls(&self) -> bool {
        self.sls
    }

    /// Whether ENDBR64 has to be where an indirect branch may land. The JIT emits it without asking
    /// whether the processor knows it.
    pub(super) fn endbr(&self) -> bool {
        self.ibt
    }

    /// The thunk that a return has to take, where that is known.
    pub(super) fn return_thunk(&self) -> Option<&'static str> {
        match self.branch {
            Branch::Its => Some("its_return_thunk"),
            Branch::CallDepth => Some("call_depth_return_thunk"),
            Branch::Bare | Branch::Lfence | Branch::Retpoline => None,
        }
    }

    /// What is expected of a branch, in words.
    pub(super) fn describe(&self, call: bool) -> String {
        match self.thunk(call) {
            Some(prefix) => format!("the kernel's mitigations ask for {prefix}*"),
            None if self.lfence() => "the kernel's mitigations ask for LFENCE before it".to_owned(),
            None => "the kernel uses no mitigation of it".to_owned(),
        }
    }
}
