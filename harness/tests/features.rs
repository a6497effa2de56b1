//! The features, as `cargo test` sees them: the same scenarios as `authlab run`.

fn main() -> std::process::ExitCode {
    authlab::cli::features::main()
}
