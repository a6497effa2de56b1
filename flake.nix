# `nix run github:authlab/authlab -- --help`, or `nix profile install github:authlab/authlab`: the command, built from this source.
{
  description = "Test Kubernetes authentication against real API servers and Keycloak";

  # Rust 1.89 or newer.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      manifest = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).workspace.package;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      onEach = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = onEach (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = "authlab";
          inherit (manifest) version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [
            "--package"
            "authlab"
            "--bin"
            "authlab"
          ];
          # They start servers, which a build cannot fetch.
          doCheck = false;
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            installShellCompletion --cmd authlab \
              --bash <($out/bin/authlab completion bash) \
              --zsh <($out/bin/authlab completion zsh) \
              --fish <($out/bin/authlab completion fish)
            $out/bin/authlab completion man --dir man
            installManPage man/*.1
          '';
          meta = {
            description = "Test Kubernetes authentication against real API servers and Keycloak";
            homepage = manifest.repository;
            license = pkgs.lib.licenses.asl20;
            mainProgram = "authlab";
          };
        };
      });

      # Everything that labs of processes and the tests need.
      devShells = onEach (pkgs: {
        default = pkgs.mkShell {
          packages = with pkgs; [
            cargo
            clippy
            rustc
            rustfmt
            go
            maven
            temurin-bin-25
            openssl
            curl
            jq
          ];
        };
      });
    };
}
