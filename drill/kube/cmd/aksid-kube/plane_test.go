package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"aksid/internal/drill/act"
)

// Machines become nodes; one whose machine is gone gets unready, and what controllers said of a node stays.
func TestKeepNodes(t *testing.T) {
	ctx, client := context.Background(), fake.NewSimpleClientset()
	p := &plane{Plane: act.Plane{Kubelet: "v1.33.2", Cluster: act.Cluster{Config: map[string]any{"location": "westeurope", "resourceGroup": "mc"}}}}
	machines := []act.Node{{Name: "aks-np-1234-vmss000000", ID: "/subscriptions/s/x/0", IP: "10.0.0.4"}, {Name: "aks-np-1234-vmss000001", ID: "/subscriptions/s/x/1", IP: "10.0.0.5"}}
	if err := p.keepNodes(ctx, client, machines); err != nil {
		t.Fatal(err)
	}
	n, err := client.CoreV1().Nodes().Get(ctx, machines[0].Name, metav1.GetOptions{})
	if err != nil || n.Spec.ProviderID != "azure:///subscriptions/s/x/0" || n.Labels["kubernetes.azure.com/agentpool"] != "np" || n.Status.NodeInfo.KubeletVersion != "v1.33.2" || n.Spec.PodCIDR != "" {
		t.Errorf("%+v, %v", n, err)
	}
	n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionFalse})
	if _, err := client.CoreV1().Nodes().UpdateStatus(ctx, n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	machines[0].IP = "10.0.0.9"
	if err := p.keepNodes(ctx, client, machines[:1]); err != nil {
		t.Fatal(err)
	}
	all, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(all.Items) != 2 {
		t.Fatal(all, err)
	}
	for _, n := range all.Items {
		ready, routed := condition(n, corev1.NodeReady), condition(n, corev1.NodeNetworkUnavailable)
		if gone := n.Name == machines[1].Name; (ready == corev1.ConditionTrue) == gone || (routed == corev1.ConditionFalse) == gone || !gone && n.Status.Addresses[0].Address != "10.0.0.9" {
			t.Errorf("%s: ready %s, network unavailable %s, %v", n.Name, ready, routed, n.Status.Addresses)
		}
	}
}

func condition(n corev1.Node, typ corev1.NodeConditionType) corev1.ConditionStatus {
	i := slices.IndexFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == typ })
	if i < 0 {
		return ""
	}
	return n.Status.Conditions[i].Status
}

// Routes and addresses for pods are the controllers' business where the cluster has kubenet, and nowhere else.
func TestControllerFlags(t *testing.T) {
	p := &plane{}
	if flags := p.controllerFlags(); !slices.Contains(flags, "--configure-cloud-routes=false") {
		t.Error(flags)
	}
	p.Cluster.PodCIDR = "10.244.0.0/16"
	if flags := p.controllerFlags(); !slices.Contains(flags, "--configure-cloud-routes=true") || !slices.Contains(flags, "--cluster-cidr=10.244.0.0/16") {
		t.Error(flags)
	}
}

// No proxy of the user's comes between the controllers and the metadata service.
func TestEnviron(t *testing.T) {
	got := environ([]string{"PATH=/bin", "https_proxy=http://corporate", "NO_PROXY=169.254.169.254", "HTTP_PROXY=http://corporate"}, "http://127.0.0.1:1")
	if !slices.Equal(got, []string{"PATH=/bin", "HTTP_PROXY=http://127.0.0.1:1"}) {
		t.Error(got)
	}
}

func TestRunRefuses(t *testing.T) {
	for in, want := range map[string]string{"": "aksid kubernetes", "hello\n": "aksid kubernetes", `{"version": 0}` + "\n": "another version"} {
		if err := run(context.Background(), strings.NewReader(in), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
