//! What is known of registers and stack slots while a function is generated.
//!
//! This is never more than the verifier knows at the same place, as far as it is used to decide
//! whether an access is in bounds.

/// Registers that hold values: r0 to r9.
pub(crate) const REGS: usize = 10;

/// Slots of eight bytes that a function spills to: from r10 - 8 downwards.
pub(crate) const SLOTS: usize = 4;

/// Bytes below r10 where the function's buffer begins, whose words are always numbers.
pub(crate) const BUFFER_AT: i16 = -56;

/// Bytes of the buffer.
pub(crate) const BUFFER: u32 = 24;

/// Where memory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// A buffer on the stack, of this function or of a caller.
    Stack,
    /// The context of a program that has plain memory.
    Context,
    /// Writable data or a map's value.
    Value,
    /// A table, by index: read-only.
    Table(usize),
    /// The packet.
    Packet,
}

/// What a register or a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Nothing that may be read.
    Uninit,
    /// A number, at most this.
    Number { max: u64 },
    /// The address of so many bytes.
    Memory { region: Region, size: u32 },
    /// A function of this class.
    Function(usize),
    /// The context of a packet program.
    PacketContext,
}

impl Type {
    /// Any number.
    pub(crate) const ANY: Self = Self::Number { max: u64::MAX };

    /// What is known where two paths meet.
    fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Number { max: a }, Self::Number { max: b }) => Self::Number { max: a.max(b) },
            // Tables with one layout may be chosen between.
            (a, b) if a == b => a,
            (Self::Memory { region, size: a }, Self::Memory { region: other, size: b })
                if region == other =>
            {
                Self::Memory { region, size: a.min(b) }
            }
            _ => Self::Uninit,
        }
    }
}

/// What may be written to a register or slot inside of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Anything.
    Free,
    /// Numbers.
    Number,
    /// Nothing.
    Frozen,
}

/// What is known at a place of a function.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) regs: [Type; REGS],
    pub(crate) slots: [Type; SLOTS],
    pub(crate) reg_locks: [Lock; REGS],
    pub(crate) slot_locks: [Lock; SLOTS],
}

impl State {
    /// Nothing but the arguments.
    pub(crate) fn entry(args: &[Type]) -> Self {
        let mut regs = [Type::Uninit; REGS];
        for (reg, arg) in regs[1..].iter_mut().zip(args) {
            *reg = *arg;
        }
        Self {
            regs,
            slots: [Type::Uninit; SLOTS],
            reg_locks: [Lock::Free; REGS],
            slot_locks: [Lock::Free; SLOTS],
        }
    }

    /// After a call: r0 to r5 are gone.
    pub(crate) fn clobber(&mut self) {
        self.regs[..6].fill(Type::Uninit);
    }

    /// Where paths meet.
    pub(crate) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.regs.iter_mut().zip(other.regs) {
            *mine = mine.joined(theirs);
        }
        for (mine, theirs) in self.slots.iter_mut().zip(other.slots) {
            *mine = mine.joined(theirs);
        }
    }

    /// Prepares for a loop's body: what the next iteration relies on may not become something else.
    pub(crate) fn enter_loop(&mut self) {
        self.clobber();
        lock(&mut self.regs, &mut self.reg_locks);
        lock(&mut self.slots, &mut self.slot_locks);
    }

    /// After a loop's body, with the locks from before.
    pub(crate) fn leave_loop(&mut self, before: &Self) {
        self.reg_locks = before.reg_locks;
        self.slot_locks = before.slot_locks;
    }
}

fn lock(types: &mut [Type], locks: &mut [Lock]) {
    for (held, lock) in types.iter_mut().zip(locks) {
        match held {
            Type::Uninit => {}
            Type::Number { max } => {
                *max = u64::MAX;
                if *lock == Lock::Free {
                    *lock = Lock::Number;
                }
            }
            _ => *lock = Lock::Frozen,
        }
    }
}
