// Command aksid-kube runs a control plane of Kubernetes for a cluster of a local Azure, as aksid asks it to on standard
// input (aksid/internal/drill/act): etcd, kube-apiserver, and kube-controller-manager with the in-tree Azure provider, all
// unchanged. It is a module of its own, so that its dependencies stay out of aksid and out of aksid-drill.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	_ "unsafe" // go:linkname

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"

	"aksid/internal/drill/act"
)

// What the API server says of its version: upstream's build sets it, and a build from modules leaves a text that kubectl
// cannot read.
//
//go:linkname dynamicGitVersion k8s.io/component-base/version.dynamicGitVersion
//go:linkname gitMajor k8s.io/component-base/version.gitMajor
//go:linkname gitMinor k8s.io/component-base/version.gitMinor
var (
	dynamicGitVersion  atomic.Value
	gitMajor, gitMinor string
)

func setVersion(version string) {
	dynamicGitVersion.Store(version)
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	gitMajor, gitMinor = parts[0], parts[1]
}

// roles are what the program is when it runs itself: each needs a process of its own.
var roles = map[string]func() int{
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllers.NewControllerManagerCommand()) },
}

func main() {
	setVersion(kubernetesVersion())
	if len(os.Args) > 1 {
		if os.Args[1] == "--version" {
			fmt.Println(act.PlaneProgram, act.Version, "Kubernetes", kubernetesVersion())
			return
		}
		if role, ok := roles[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			go endWithInput()
			os.Exit(role())
		}
		fmt.Fprintln(os.Stderr, act.PlaneProgram+": this is aksid's; run: aksid kubernetes CLUSTER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, act.PlaneProgram+":", err)
		os.Exit(1)
	}
}

// endWithInput ends a process whose parent has ended.
func endWithInput() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
