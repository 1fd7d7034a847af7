//! Names of the kernel's addresses, out of the symbol table of its vmlinux.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use goblin::elf::sym::{STB_GLOBAL, STT_FUNC};

/// Where the kernel's text starts (`__START_KERNEL_map`, arch/x86/include/asm/page_64_types.h).
const KERNEL: u64 = 0xffff_ffff_8000_0000;

/// What helpers are counted from: `imm` of a translated call is the distance to it.
const CALL_BASE: &str = "__bpf_call_base";

/// Longest distance from a function's start to an address that is named after it.
const NEAR: u64 = 1 << 20;

/// Names by address. The text of a kernel that is entered through PVH is where it was linked to.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// Tens of thousands, which each formatter of machine code wants to own.
    names: Arc<BTreeMap<u64, String>>,
    call_base: Option<u64>,
}

impl Symbols {
    /// The symbols of a vmlinux.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no ELF file.
    pub fn of(vmlinux: &Path) -> Result<Self> {
        let failed = || format!("failed to read the symbols of {}", vmlinux.display());
        let bytes = fs::read(vmlinux).with_context(failed)?;
        let elf = goblin::elf::Elf::parse(&bytes).with_context(failed)?;
        let mut found: Vec<(u64, bool, &str)> = elf
            .syms
            .iter()
            .filter(|symbol| symbol.st_value >= KERNEL && symbol.st_shndx != 0)
            .filter_map(|symbol| {
                let name = elf.strtab.get_at(symbol.st_name).filter(|name| !name.is_empty())?;
                let better = symbol.st_type() == STT_FUNC && symbol.st_bind() == STB_GLOBAL;
                Some((symbol.st_value, better, name))
            })
            .collect();
        // The last of an address stays: a global function where there is one.
        found.sort_unstable();
        Ok(found.into_iter().map(|(address, _, name)| (address, name.to_owned())).collect())
    }

    /// What starts at an address.
    pub(super) fn at(&self, address: u64) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }

    /// `name` or `name+0x4` of what is around an address.
    pub(super) fn around(&self, address: u64) -> Option<String> {
        let (start, name) = self.names.range(..=address).next_back()?;
        match address - start {
            0 => Some(name.clone()),
            distance if distance < NEAR => Some(format!("{name}+{distance:#x}")),
            _ => None,
        }
    }

    /// The function that a translated call with this immediate calls.
    pub(super) fn called(&self, imm: i32) -> Option<&str> {
        self.at(self.call_base?.wrapping_add_signed(i64::from(imm)))
    }
}

impl FromIterator<(u64, String)> for Symbols {
    fn from_iter<T: IntoIterator<Item = (u64, String)>>(symbols: T) -> Self {
        let names: BTreeMap<u64, String> = symbols.into_iter().collect();
        let call_base = names.iter().find(|(_, name)| *name == CALL_BASE).map(|(at, _)| *at);
        Self { names: Arc::new(names), call_base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_names_around_them() {
        let symbols: Symbols = [(KERNEL + 16, CALL_BASE), (KERNEL + 64, "there")]
            .map(|(at, name)| (at, name.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(symbols.called(48), Some("there"));
        assert_eq!(symbols.called(47), None);
        assert_eq!(symbols.around(KERNEL + 64).as_deref(), Some("there"));
        assert_eq!(symbols.around(KERNEL + 68).as_deref(), Some("there+0x4"));
        assert_eq!(symbols.around(KERNEL), None);
        assert_eq!(symbols.around(u64::MAX), None);
    }
}
