//! The prelude.

/// The prelude of the edition 2024.
pub mod rust_2024 {
    pub use crate::clone::Clone;
    pub use crate::cmp::{Eq, Ord, PartialEq, PartialOrd};
    pub use crate::convert::{From, Into};
    pub use crate::default::Default;
    pub use crate::iter::{IntoIterator, Iterator};
    pub use crate::marker::{Copy, Send, Sized, Sync, Unpin};
    pub use crate::mem::size_of;
    pub use crate::ops::{Drop, Fn, FnMut, FnOnce};
    pub use crate::option::Option::{self, None, Some};
    pub use crate::macros::matches;

    /// Applies derive macros.
    #[rustc_builtin_macro]
    pub macro derive($item:item) {}
    /// Fails to compile with a message.
    #[rustc_builtin_macro]
    pub macro compile_error($message:expr $(,)?) {}
}
