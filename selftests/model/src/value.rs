//! Values with provenance: 64 bits, and where they come from.
//!
//! A pointer's bits are a concrete address, so arithmetic and comparisons need no special case;
//! the provenance says which object it may reach. The address of an object never depends on the
//! host: see [`crate::memory`].

use std::fmt;

/// Where a value comes from, packed into 64 bits: kind (8), object (24), selector (32).
///
/// A plain scalar is 0, so "both operands are plain scalars" is one `or` and one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Prov(pub(crate) u64);

const POINTER: u64 = 1;
const TAINTED: u64 = 2;
const UNINIT: u64 = 3;
const MAP: u64 = 4;
const INSN: u64 = 5;
const FUNCTION: u64 = 6;

impl Prov {
    pub(crate) const SCALAR: Self = Self(0);
    pub(crate) const TAINTED: Self = Self(TAINTED);
    pub(crate) const UNINIT: Self = Self(UNINIT);

    /// A pointer into an object. The selector is the element of an array, or the generation of
    /// a stack frame.
    pub(crate) const fn pointer(object: u32, selector: u32) -> Self {
        Self(POINTER | ((object as u64 & 0x00ff_ffff) << 8) | ((selector as u64) << 32))
    }

    pub(crate) const fn map(index: u32) -> Self {
        Self(MAP | ((index as u64) << 32))
    }

    pub(crate) const fn insn(slot: u32) -> Self {
        Self(INSN | ((slot as u64) << 32))
    }

    pub(crate) const fn function(slot: u32) -> Self {
        Self(FUNCTION | ((slot as u64) << 32))
    }

    pub(crate) const fn is_pointer(self) -> bool {
        self.0 & 0xff == POINTER
    }

    /// A plain scalar or a pointer into an object: what stays what it is when a number is added.
    #[inline(always)]
    pub(crate) const fn can_move(self) -> bool {
        self.0 & 0xff <= POINTER
    }

    /// Whether the kernel's bits may be others: an address, or computed from one.
    pub(crate) const fn is_address(self) -> bool {
        !matches!(self.0 & 0xff, 0 | UNINIT)
    }

    pub(crate) const fn object(self) -> usize {
        ((self.0 >> 8) & 0x00ff_ffff) as usize
    }

    /// Element, generation, map index or slot, as the kind has it.
    pub(crate) const fn selector(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) const fn kind(self) -> ValueKind {
        match self.0 & 0xff {
            0 => ValueKind::Scalar,
            TAINTED => ValueKind::Indeterminate,
            POINTER => ValueKind::Pointer,
            MAP => ValueKind::Map,
            INSN => ValueKind::Instruction,
            FUNCTION => ValueKind::Function,
            _ => ValueKind::Uninit,
        }
    }
}

/// What a value is, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A number.
    Scalar,
    /// A number that is another one in the kernel: computed from an address, or what a helper such
    /// as `bpf_jiffies64` returned.
    Indeterminate,
    /// Never written.
    Uninit,
    /// A pointer into an object.
    Pointer,
    /// A map, as helpers take it.
    Map,
    /// The address of an instruction: what `gotox` takes.
    Instruction,
    /// The address of a function: what `callx` takes.
    Function,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "a scalar",
            Self::Indeterminate => "an indeterminate scalar",
            Self::Uninit => "an uninitialised value",
            Self::Pointer => "a pointer",
            Self::Map => "a map",
            Self::Instruction => "an instruction address",
            Self::Function => "a function address",
        })
    }
}

/// The content of a register, or of eight aligned bytes of stack.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Value {
    pub(crate) bits: u64,
    pub(crate) prov: Prov,
}

impl Value {
    /// A register that was never written, or that a call has clobbered.
    pub const UNINIT: Self = Self { bits: 0, prov: Prov::UNINIT };

    /// A number.
    pub const fn scalar(bits: u64) -> Self {
        Self { bits, prov: Prov::SCALAR }
    }

    /// The 64 bits; a made-up but deterministic address if the value is one.
    pub const fn bits(self) -> u64 {
        self.bits
    }

    /// What the value is.
    pub const fn kind(self) -> ValueKind {
        self.prov.kind()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ValueKind::Scalar => write!(f, "{:#x}", self.bits),
            ValueKind::Uninit => f.write_str("uninit"),
            ValueKind::Indeterminate => write!(f, "indeterminate({:#x})", self.bits),
            ValueKind::Pointer => write!(f, "ptr({:#x})", self.bits),
            ValueKind::Map => write!(f, "map({})", self.prov.selector()),
            ValueKind::Instruction => write!(f, "insn({})", self.prov.selector()),
            ValueKind::Function => write!(f, "func({})", self.prov.selector()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provenance_round_trips() {
        let prov = Prov::pointer(0x00ab_cdef, 0xdead_beef);
        assert!(prov.is_pointer());
        assert_eq!(prov.object(), 0x00ab_cdef);
        assert_eq!(prov.selector(), 0xdead_beef);
        assert_eq!(Prov::insn(7).kind(), ValueKind::Instruction);
        assert_eq!(Prov::insn(7).selector(), 7);
        assert_eq!(Prov::function(u32::MAX).selector(), u32::MAX);
    }

    #[test]
    fn only_addresses_are_addresses() {
        assert!(!Prov::SCALAR.is_address());
        assert!(!Prov::UNINIT.is_address());
        assert!(Prov::TAINTED.is_address());
        assert!(Prov::map(0).is_address());
        assert!(Prov::pointer(0, 0).is_address());
    }
}
