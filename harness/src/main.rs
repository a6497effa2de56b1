//! The command `authlab`: all of it is in the library's `cli`.

fn main() -> std::process::ExitCode {
    authlab::cli::main()
}
