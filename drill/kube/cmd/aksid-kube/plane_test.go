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

// Without Entra kubeconfigs' certificates open the API server; with it tokens do too, or alone; Azure decides where it is asked to.
func TestAccountFlags(t *testing.T) {
	const certificates, users, access = "--client-ca-file=/f/ca.crt", "--authentication-token-webhook-config-file=/f/entra-users.kubeconfig", "--authorization-webhook-config-file=/f/entra-access.kubeconfig"
	for _, c := range []struct {
		entra    *act.Entra
		has, not []string
	}{
		{nil, []string{certificates, "--authorization-mode=RBAC"}, []string{users, access}},
		{&act.Entra{Users: "u"}, []string{certificates, users, "--authorization-mode=RBAC"}, []string{access}},
		{&act.Entra{Users: "u", Access: "a", Only: true}, []string{users, access, "--authorization-mode=RBAC,Webhook"}, []string{certificates}},
	} {
		flags := (&plane{Plane: act.Plane{Folder: "/f", Entra: c.entra}}).apiFlags("etcd")
		for _, f := range c.has {
			if !slices.Contains(flags, f) {
				t.Errorf("%+v: without %s: %v", c.entra, f, flags)
			}
		}
		for _, f := range c.not {
			if slices.Contains(flags, f) {
				t.Errorf("%+v: with %s", c.entra, f)
			}
		}
	}
}

// The groups of administrators are those of the last start.
func TestBindAdmins(t *testing.T) {
	ctx, client := context.Background(), fake.NewSimpleClientset()
	for _, e := range []*act.Entra{nil, {Admins: []string{"g1"}}, {Admins: []string{"g2", "g3"}}, {}} {
		p := &plane{Plane: act.Plane{Entra: e}}
		if err := p.bindAdmins(ctx, client); err != nil {
			t.Fatal(err)
		}
		var want, got []string
		if e != nil {
			want = e.Admins
		}
		all, err := client.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all.Items {
			for _, s := range b.Subjects {
				got = append(got, s.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
