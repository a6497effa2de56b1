//! The command `authlab`, a thin wrapper around the library's `cli`.

fn main() -> std::process::ExitCode {
    authlab::cli::main()
}
