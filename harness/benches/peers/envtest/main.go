// Starts envtest's control plane with the programs in a directory, as Go projects do, and prints the milliseconds until it can be used.
package main

import (
	"fmt"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func main() {
	begun := time.Now()
	environment := &envtest.Environment{BinaryAssetsDirectory: os.Args[1]}
	if _, err := environment.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(time.Since(begun).Milliseconds())
	if err := environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
