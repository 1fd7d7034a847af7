//! The report as one page that needs nothing beside itself: no server, no network, no other file.
//!
//! Whatever comes from outside (names, logs, the console) goes through the template's escaping; the
//! page's policy forbids it to load anything.

mod chart;
mod view;

use anyhow::{Context, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use harness_results::record::Report;

/// One page of several reports side by side, in their order.
///
/// # Errors
///
/// When the template cannot be filled in, which is a fault of this program.
pub fn render(reports: &[Report]) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let failed = "failed to write the report as HTML";
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.context(failed)?);
    environment.add_template("page.html", include_str!("html/page.html")).context(failed)?;
    let page = environment.get_template("page.html").context(failed)?;
    page.render(context! {
        style => include_str!("html/page.css"),
        script => include_str!("html/page.js"),
        page => Serde(view::Page::of(reports)),
    })
    .context(failed)
}

#[cfg(test)]
mod tests;
