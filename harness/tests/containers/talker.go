// The program in the containers of the tests: depending on its arguments, it listens, calls or fails.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	switch os.Args[1] {
	case "serve":
		listener, err := net.Listen("tcp", ":"+os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("on its output")
		fmt.Fprintln(os.Stderr, "on its error output")
		for {
			connection, err := listener.Accept()
			if err == nil {
				fmt.Fprintln(connection, "hello")
				connection.Close()
			}
		}
	case "call":
		connection, err := net.DialTimeout("tcp", os.Args[2], 10*time.Second)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		io.Copy(os.Stdout, connection)
	case "fail":
		fmt.Fprintln(os.Stderr, "giving up with password=hunter22")
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	}
}
