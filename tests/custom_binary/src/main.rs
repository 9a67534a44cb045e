//! The gateway with one filter more.

use std::process::ExitCode;
use tenant_tag::TenantTag;

fn main() -> ExitCode {
    codex_pooler::run(codex_pooler::builtin_filters().with::<TenantTag>())
}
