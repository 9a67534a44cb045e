//! The stock binary: the built-in filters and nothing else. A binary with filters of its own looks the same.

#[global_allocator]
static ALLOCATOR: codex_pooler::Allocator = codex_pooler::Allocator;

fn main() -> std::process::ExitCode {
    codex_pooler::run(codex_pooler::builtin_filters())
}
