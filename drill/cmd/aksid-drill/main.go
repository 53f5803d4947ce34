// Command aksid-drill runs the genuine Azure code of Kubernetes against a local Azure, as aksid drill asks it to on
// standard input (aksid/internal/drill/act). It is a module of its own, so that Kubernetes' dependencies stay out of aksid.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"aksid/drill/controllers"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

func main() {
	data := flag.String("data", "", "data `folder` of a running local Azure")
	version := flag.Bool("version", false, "print the version of the controllers")
	flag.Parse()
	switch {
	case *version:
		fmt.Println(act.Program, act.Version, "Kubernetes", controllers.Kubernetes())
	case *data == "" || flag.NArg() > 0:
		fmt.Fprintln(os.Stderr, act.Program+": this is aksid's; run: aksid drill")
		os.Exit(2)
	default:
		if err := run(*data); err != nil {
			fmt.Fprintln(os.Stderr, act.Program+":", err)
			os.Exit(1)
		}
	}
}

func run(data string) error {
	az, err := local.Find(context.Background(), data)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // memory for speed: it does not run for long
	return serve(controllers.Connect(az), os.Stdin, os.Stdout)
}
