// Command aksid knows, tests and fixes the identities of AKS clusters.
package main

import (
	"os"

	"aksid/internal/cli"
)

func main() { os.Exit(cli.Main()) }
