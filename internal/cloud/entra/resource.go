package entra

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"aksid/internal/azure"
)

// public is the cloud that the local Azure stands in for.
var public = azure.Clouds[0]

// Identifiers of the services that tokens can be asked for, beside those of azure.Cloud.
const (
	graphAppID = "00000003-0000-0000-c000-000000000000"
	armAppID   = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
)

// kubernetesServer is the server application that tokens for API servers of AKS are for, in every tenant.
const kubernetesServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// services are further resources, and suffixes of their hosts: vaults, accounts and registries are resources each.
var (
	services = []string{
		armAppID, graphAppID,
		kubernetesServer,
		"api://AzureADTokenExchange",
		"https://vault.azure.net", "https://storage.azure.com", "https://containerregistry.azure.net",
	}
	serviceHosts = []string{
		".vault.azure.net", public.RegistrySuffix,
		".blob.core.windows.net", ".queue.core.windows.net", ".table.core.windows.net", ".file.core.windows.net",
	}
)

// ARMAudiences are the audiences that ARM accepts in tokens of a request: its public names, and its endpoint as
// clients of a local Azure spell it.
func ARMAudiences(r *http.Request) []string {
	if last := armAudiences.Load(); last != nil && last.host == r.Host {
		return last.names
	}
	names := append(both(public.Audience, public.ARM), localAudiences(r.Host)...)
	armAudiences.Store(&hostAudiences{r.Host, names})
	return names
}

// armAudiences are those of the last request: nearly all come to one host.
var armAudiences atomic.Pointer[hostAudiences]

type hostAudiences struct {
	host  string
	names []string
}

func graphAudiences(r *http.Request) []string {
	return append(append(both(public.Graph), graphAppID), localAudiences(r.Host)...)
}

// known reports whether there is a resource of that name to ask a token for.
func known(resource, host string) bool {
	bare := strings.TrimSuffix(resource, "/")
	if slices.Contains(services, bare) || slices.Contains(localAudiences(host), resource) {
		return true
	}
	if slices.Contains(both(public.Audience, public.ARM, public.Graph), resource) {
		return true
	}
	u, err := url.Parse(bare)
	return err == nil && u.Scheme == "https" && u.Path == "" && slices.ContainsFunc(serviceHosts, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(u.Host), suffix)
	})
}

// localAudiences are the names of a loopback endpoint: ARM and Graph share it. Any other host has none, so that nobody
// gets tokens for a host of their own choice by naming it in the Host header.
func localAudiences(hostPort string) []string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = hostPort, ""
	}
	if !isLoopback(host) {
		return nil
	}
	var names []string
	for _, h := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if port != "" {
			h += ":" + port
		}
		names = append(names, "https://"+h)
	}
	return both(names...)
}

func isLoopback(host string) bool {
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// both spells each name with a trailing slash and without.
func both(names ...string) []string {
	var all []string
	for _, n := range names {
		n = strings.TrimSuffix(n, "/")
		all = append(all, n+"/", n)
	}
	return all
}
