//! The gateway with one filter more.

use std::process::ExitCode;
use tenant_tag::TenantTag;

#[global_allocator]
static ALLOCATOR: codex_pooler::Allocator = codex_pooler::Allocator;

fn main() -> ExitCode {
    codex_pooler::run(codex_pooler::builtin_filters().with::<TenantTag>())
}
