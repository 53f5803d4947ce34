// Package controllers runs the genuine Azure code of Kubernetes for clusters of a local Azure: the service, route and
// node life cycle controllers with the in-tree Azure provider on an in-memory API, the provider's disks, and the
// kubelet's credential provider for image pulls. Nothing of it is changed; this package only says who the cluster is,
// what there is in it, and where Azure is.
package controllers

import (
	"flag"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
	_ "unsafe" // go:linkname

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	metrics "k8s.io/component-base/metrics/prometheus/controllers"
	cloudfeatures "k8s.io/controller-manager/pkg/features"
	"k8s.io/klog/v2"
	_ "k8s.io/kubernetes/pkg/credentialprovider/azure"
	_ "k8s.io/kubernetes/pkg/features"
	_ "k8s.io/legacy-cloud-providers/azure"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// routeUpdateInterval is how long the provider collects changes of routes before it writes them: 30 seconds. It is all
// that is changed of the provider, for a drill to be quick.
//
//go:linkname routeUpdateInterval k8s.io/legacy-cloud-providers/azure.routeUpdateInterval
var routeUpdateInterval time.Duration

// registryClient is what the credential provider asks registries with; it has no other door for a transport.
//
//go:linkname registryClient k8s.io/kubernetes/pkg/credentialprovider/azure.client
var registryClient *http.Client

// quick is how often the controllers look, where a cluster's do every 5, 10 or 30 seconds.
const quick = 20 * time.Millisecond

// started are the metrics that controllers want; they count in a registry of the whole process.
var started *metrics.ControllerManagerMetrics

// setUp prepares what the upstream packages keep for the whole process.
var setUp = sync.OnceFunc(func() {
	routeUpdateInterval = quick
	started = metrics.NewControllerManagerMetrics("drill")
	must(cloudfeatures.SetupCurrentKubernetesSpecificFeatureGates(utilfeature.DefaultMutableFeatureGate))
	must(utilfeature.DefaultMutableFeatureGate.Set("DisableKubeletCloudCredentialProviders=false"))
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	must(flags.Set("logtostderr", "false"))
	must(flags.Set("stderrthreshold", "FATAL"))
	klog.SetOutput(io.Discard) // what matters of it is in events and in Azure's answers
	utilruntime.ReallyCrash = false
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Kubernetes is the version of the controllers.
func Kubernetes() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "k8s.io/kubernetes" {
				return m.Version
			}
		}
	}
	return "unknown"
}
