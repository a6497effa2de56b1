//! The features under `cargo test`: the same scenarios as in `authlab run`.

fn main() -> std::process::ExitCode {
    authlab::cli::features::main()
}
