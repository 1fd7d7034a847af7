//! What the processor can do.

/// Instructions in assembly.
#[rustc_builtin_macro]
pub macro asm("assembly template", $(operands,)* $(options($(option),*))?) {}
