package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"aksid/internal/drill/act"
)

// keepNodes makes a node of each machine, as its kubelet would. A node whose machine is gone gets unready: that the
// machine is gone is for the controllers to find out.
func (p *plane) keepNodes(ctx context.Context, client kubernetes.Interface, machines []act.Node) error {
	all, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	have := map[string]*corev1.Node{}
	for i := range all.Items {
		have[all.Items[i].Name] = &all.Items[i]
	}
	var failed []error
	for _, m := range machines {
		failed = append(failed, p.keepNode(ctx, client, m, have[m.Name]))
		delete(have, m.Name)
	}
	for _, n := range have {
		failed = append(failed, p.setStatus(ctx, client, n, p.status(n.Status.Addresses, corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.")))
	}
	return errors.Join(failed...)
}

func (p *plane) keepNode(ctx context.Context, client kubernetes.Interface, m act.Node, node *corev1.Node) error {
	if node == nil {
		var err error
		node, err = client.CoreV1().Nodes().Create(ctx, p.node(m), metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("node %s: %w", m.Name, err)
		}
	}
	addresses := []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: m.IP}, {Type: corev1.NodeHostName, Address: m.Name}}
	return p.setStatus(ctx, client, node, p.status(addresses, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"))
}

func (p *plane) node(m act.Node) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: m.Name, Labels: map[string]string{
			corev1.LabelHostname: m.Name, corev1.LabelTopologyRegion: fmt.Sprint(p.Cluster.Config["location"]),
			corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64", "kubernetes.azure.com/cluster": fmt.Sprint(p.Cluster.Config["resourceGroup"]),
			"kubernetes.azure.com/agentpool": poolOf(m.Name),
		}},
		Spec: corev1.NodeSpec{ProviderID: "azure://" + m.ID},
	}
}

// poolOf is the agent pool of a node: aks-POOL-12345678-vmss000000.
func poolOf(node string) string {
	parts := strings.SplitN(node, "-", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

func (p *plane) status(addresses []corev1.NodeAddress, ready corev1.ConditionStatus, reason, message string) corev1.NodeStatus {
	size := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("7Gi"), corev1.ResourcePods: resource.MustParse("110")}
	return corev1.NodeStatus{
		Addresses: addresses, Capacity: size, Allocatable: size,
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: reason, Message: message}},
		NodeInfo:   corev1.NodeSystemInfo{KubeletVersion: p.Kubelet, OperatingSystem: "linux", Architecture: "amd64", OSImage: "none: aksid's local Azure"},
	}
}

// setStatus writes a node's status where it is another; the conditions of controllers stay.
func (p *plane) setStatus(ctx context.Context, client kubernetes.Interface, node *corev1.Node, status corev1.NodeStatus) error {
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady {
			status.Conditions = append(status.Conditions, c)
			continue
		}
		if c.Status == status.Conditions[0].Status && reflect.DeepEqual(node.Status.Addresses, status.Addresses) {
			return nil
		}
	}
	status.Conditions[0].LastTransitionTime, status.Conditions[0].LastHeartbeatTime = metav1.Now(), metav1.Now()
	node = node.DeepCopy()
	node.Status = status
	if _, err := client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("node %s: %w", node.Name, err)
	}
	return nil
}
