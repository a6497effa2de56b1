# The formula of a tap (https://docs.brew.sh/Taps). `.github/release/formula` fills in the checksums of a release, which has the result
# among its files: copy that one into the tap.
class Authlab < Formula
  desc "Test Kubernetes authentication against real API servers and Keycloak"
  homepage "https://github.com/authlab/authlab"
  version "0.1.0"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/authlab/authlab/releases/download/v#{version}/authlab-v#{version}-aarch64-apple-darwin.tar.gz"
      sha256 "SHA256 of aarch64-apple-darwin"
    end
    on_intel do
      url "https://github.com/authlab/authlab/releases/download/v#{version}/authlab-v#{version}-x86_64-apple-darwin.tar.gz"
      sha256 "SHA256 of x86_64-apple-darwin"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/authlab/authlab/releases/download/v#{version}/authlab-v#{version}-aarch64-unknown-linux-musl.tar.gz"
      sha256 "SHA256 of aarch64-unknown-linux-musl"
    end
    on_intel do
      url "https://github.com/authlab/authlab/releases/download/v#{version}/authlab-v#{version}-x86_64-unknown-linux-musl.tar.gz"
      sha256 "SHA256 of x86_64-unknown-linux-musl"
    end
  end

  def install
    bin.install "authlab"
    bash_completion.install "completions/authlab.bash" => "authlab"
    zsh_completion.install "completions/_authlab"
    fish_completion.install "completions/authlab.fish"
    man1.install Dir["man/man1/*.1"]
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/authlab --version")
    assert_match "external_certificates/", shell_output("#{bin}/authlab run --list external_certificates")
  end
end
