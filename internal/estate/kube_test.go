package estate

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const kubeObjects = `{"apiVersion": "v1", "kind": "List", "items": [
 {"kind": "Pod", "metadata": {"namespace": "a", "name": "plain"}, "spec": {"containers": [{"image": "freightacr.azurecr.io/app:1"}, {"image": "nginx"}], "initContainers": [{"image": "INIT.azurecr.io/x"}]}},
 {"kind": "Pod", "metadata": {"namespace": "a", "name": "secret"}, "spec": {"imagePullSecrets": [{"name": "s"}], "containers": [{"image": "secret.azurecr.io/app"}]}},
 {"kind": "Deployment", "metadata": {"namespace": "a", "name": "account"}, "spec": {"template": {"spec": {"serviceAccountName": "puller", "containers": [{"image": "account.azurecr.io/app"}]}}}},
 {"kind": "ServiceAccount", "metadata": {"namespace": "a", "name": "puller"}, "imagePullSecrets": [{"name": "s"}]},
 {"kind": "ServiceAccount", "metadata": {"namespace": "b", "name": "default", "annotations": {"a.b/c": "d"}}, "imagePullSecrets": [{"name": "s"}]},
 {"kind": "Job", "metadata": {"namespace": "b", "name": "default"}, "spec": {"template": {"spec": {"containers": [{"image": "default.azurecr.io/app"}]}}}},
 {"kind": "CronJob", "metadata": {"namespace": "a", "name": "cron"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "ghcr.io/x/y@sha256:0"}, {"image": "localhost:5000/x"}, {"image": "library/x"}]}}}}}},
 {"kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {"csi": {"volumeHandle": "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Compute/disks/d"}}}]}`

func readKube(t *testing.T, texts ...string) *Kube {
	t.Helper()
	var files, paths []string
	for i, text := range texts {
		files = append(files, fmt.Sprintf("%d.json", i), text)
	}
	dir := write(t, files...)
	for i := range texts {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%d.json", i)))
	}
	k, err := ReadKube(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Images count where nodes pull them with their own identity.
func TestKube(t *testing.T) {
	k := readKube(t, kubeObjects, `[{"kind": "Service", "metadata": {"name": "s"}}]`)
	if got := fmt.Sprint(k.ImageHosts()); got != "[freightacr.azurecr.io ghcr.io init.azurecr.io localhost:5000]" {
		t.Errorf("image hosts %s", got)
	}
	if got := fmt.Sprint(k.Subscriptions()); got != "["+hub+"]" {
		t.Errorf("subscriptions %s", got)
	}
	accounts := k.Of("ServiceAccount")
	if len(accounts) != 2 || accounts[1].String() != "b/default" || accounts[1].Annotation("a.b/c") != "d" || accounts[0].Annotation("a.b/c") != "" {
		t.Errorf("service accounts %v", accounts)
	}
	if got := k.Of("PersistentVolume")[0]; got.String() != "pv" || got.Text("spec.csi.volumeHandle") == "" {
		t.Errorf("volume %v", got)
	}
	if len(k.Of("Service")) != 1 {
		t.Error("an array of objects")
	}
	if k, err := NewKube(map[string]any{"kind": "Service"}, map[string]any{"kind": "Pod"}); err != nil || len(k.Of("Pod")) != 1 {
		t.Errorf("objects that were decoded: %v, %v", k, err)
	}
	if _, err := NewKube(map[string]any{}); err == nil {
		t.Error("an object without a kind")
	}
	var none *Kube
	if none.Of("Pod") != nil || none.ImageHosts() != nil || none.Subscriptions() != nil {
		t.Error("no objects are some")
	}
}

func TestKubeErrors(t *testing.T) {
	for text, want := range map[string]string{"{": "not JSON", "42": "no Kubernetes object", `{"items": []}`: "no Kubernetes object", `[{"kind": "List", "items": [1]}]`: "no Kubernetes object"} {
		path := filepath.Join(write(t, "kube.json", text), "kube.json")
		if _, err := ReadKube(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "kube.json") {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	if _, err := ReadKube("nowhere.json"); err == nil {
		t.Error("a file that is not there")
	}
}

// Registries that pods name are read as far as they are there; others are left out.
func TestLiveReadsImages(t *testing.T) {
	f := freight(t)
	f.docs[registryID.Key()]["properties"].(map[string]any)["loginServer"] = "freightacr.azurecr.io"
	l := f.live()
	l.Cloud.RegistrySuffix = ".azurecr.io"
	l.Kube = readKube(t, kubeObjects)
	e, err := l.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, known := e.Resource(registryID); known != Known || len(e.Registries) != 0 {
		t.Errorf("the registry is %v; named by the user: %v", known, e.Registries)
	}
	c := e.Clusters[0]
	if e.Kube(c) != nil {
		t.Error("objects that nobody gave")
	}
	e.AddKube(c, l.Kube)
	if e.Kube(c) != l.Kube {
		t.Error("objects that were given")
	}
}

func FuzzKube(f *testing.F) {
	f.Add([]byte(kubeObjects))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decodeText(text)
		if err != nil {
			return
		}
		k := &Kube{}
		if k.take(v) == nil {
			k.ImageHosts()
			k.Subscriptions()
		}
	})
}
