//! The macros of the prelude.

/// Whether an expression matches a pattern.
pub macro matches {
    ($expression:expr, $pattern:pat $(if $guard:expr)? $(,)?) => {
        match $expression {
            $pattern $(if $guard)? => true,
            _ => false,
        }
    },
}
