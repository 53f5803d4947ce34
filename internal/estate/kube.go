package estate

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// Kube are Kubernetes objects of one cluster, as kubectl get -o json prints them. They say what the cluster's document cannot:
// which services, volumes and images there are. A nil Kube has none.
type Kube struct{ objects []KubeObject }

// KubeObject is a Kubernetes object.
type KubeObject struct {
	Kind, Namespace, Name string
	Doc                   map[string]any
}

func (o KubeObject) String() string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

// Text reads a string at a dotted path.
func (o KubeObject) Text(path string) string { return textAt(o.Doc, path) }

// Annotation reads an annotation.
func (o KubeObject) Annotation(name string) string {
	s, _ := mapAt(o.Doc, "metadata.annotations")[name].(string)
	return s
}

// ReadKube reads files of objects: single ones, lists as kubectl get prints them, and arrays of either.
func ReadKube(paths ...string) (*Kube, error) {
	k := &Kube{}
	for _, p := range paths {
		if err := k.read(p); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	return k, nil
}

// MergeKubes are the objects of several; nil, if there are none.
func MergeKubes(all ...*Kube) *Kube {
	var out *Kube
	for _, k := range all {
		if out == nil {
			out = &Kube{}
		}
		out.objects = append(out.objects, k.objects...)
	}
	return out
}

// NewKube takes objects as decoded JSON.
func NewKube(objects ...map[string]any) (*Kube, error) {
	k := &Kube{}
	for _, o := range objects {
		if err := k.take(o); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *Kube) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := decode(f)
	if err != nil {
		return err
	}
	return k.take(v)
}

func (k *Kube) take(v any) error {
	if list, ok := v.([]any); ok {
		for _, x := range list {
			if err := k.take(x); err != nil {
				return err
			}
		}
		return nil
	}
	doc, ok := v.(map[string]any)
	if kind := textAt(doc, "kind"); !ok || kind == "" {
		return errors.New("no Kubernetes object; save the output of: kubectl get … -o json")
	}
	if items, ok := doc["items"].([]any); ok {
		return k.take(items)
	}
	k.objects = append(k.objects, KubeObject{textAt(doc, "kind"), textAt(doc, "metadata.namespace"), textAt(doc, "metadata.name"), doc})
	return nil
}

// Of are the objects of a kind.
func (k *Kube) Of(kind string) []KubeObject {
	if k == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(k.objects), func(o KubeObject) bool { return o.Kind != kind })
}

// clientAnnotation names the identity of a service account (azure-workload-identity).
const clientAnnotation = "azure.workload.identity/client-id"

// ClientAnnotation is the client id that a service account names; "" where it names none.
func (o KubeObject) ClientAnnotation() string { return o.Annotation(clientAnnotation) }

// Subject is what the tokens of a service account are for, as Kubernetes spells it.
func (o KubeObject) Subject() string { return "system:serviceaccount:" + o.Namespace + ":" + o.Name }

// Clients are the client ids that service accounts name, each once.
func (k *Kube) Clients() []azure.GUID {
	seen := map[azure.GUID]bool{}
	for _, o := range k.Of("ServiceAccount") {
		if g, err := azure.ParseGUID(o.ClientAnnotation()); err == nil {
			seen[g] = true
		}
	}
	return sortedIDs(seen)
}

// podSpecs are where the kinds that run pods describe them.
var podSpecs = map[string]string{
	"Pod": "spec", "Deployment": "spec.template.spec", "StatefulSet": "spec.template.spec", "DaemonSet": "spec.template.spec",
	"ReplicaSet": "spec.template.spec", "Job": "spec.template.spec", "CronJob": "spec.jobTemplate.spec.template.spec",
}

// RunsPods reports whether something that runs pods is among the objects.
func (k *Kube) RunsPods() bool {
	return k != nil && slices.ContainsFunc(k.objects, func(o KubeObject) bool { return podSpecs[o.Kind] != "" })
}

// ImageHosts are the registries that nodes pull from with their own identity, by host name: images of pods that bring
// a pull secret, themselves or through their service account, are not among them.
func (k *Kube) ImageHosts() []string {
	if k == nil {
		return nil
	}
	secretive := map[string]bool{} // service accounts with a pull secret
	for _, o := range k.Of("ServiceAccount") {
		secretive[o.String()] = len(listAt(o.Doc, "imagePullSecrets")) > 0
	}
	hosts := map[string]bool{}
	for _, o := range k.objects {
		spec := mapAt(o.Doc, podSpecs[o.Kind])
		account := textAt(spec, "serviceAccountName")
		if account == "" {
			account = "default"
		}
		if podSpecs[o.Kind] == "" || len(listAt(spec, "imagePullSecrets")) > 0 || secretive[o.Namespace+"/"+account] {
			continue
		}
		for _, c := range slices.Concat(listAt(spec, "containers"), listAt(spec, "initContainers")) {
			if host := imageHost(textAt(c, "image")); host != "" {
				hosts[host] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// imageHost is the registry of an image reference, in lower case; "" where it names none, which means Docker Hub.
func imageHost(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(host, ".:") {
		return ""
	}
	return strings.ToLower(host)
}

// Subscriptions are the subscriptions that objects name in resource ids, in lower case.
func (k *Kube) Subscriptions() []string {
	found := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case string:
			if id, err := azure.ParseID(v); err == nil && id.Subscription() != "" {
				found[strings.ToLower(id.Subscription())] = true
			}
		}
	}
	if k != nil {
		for _, o := range k.objects {
			walk(o.Doc)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// AddKube says which Kubernetes objects a cluster has. It is for whoever has loaded the estate, before anything asks it.
func (e *Estate) AddKube(c *Cluster, k *Kube) {
	if e.kube == nil {
		e.kube = map[string]*Kube{}
	}
	e.kube[c.ID.Key()] = k
}

// Kube are the Kubernetes objects of a cluster, or nil.
func (e *Estate) Kube(c *Cluster) *Kube { return e.kube[c.ID.Key()] }
