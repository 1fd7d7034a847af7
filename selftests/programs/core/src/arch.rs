//! Architecture-specific items.

/// Inline assembly.
#[rustc_builtin_macro]
pub macro asm("assembly template", $(operands,)* $(options($(option),*))?) {}
