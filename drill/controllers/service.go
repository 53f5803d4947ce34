package controllers

import (
	"crypto/sha256"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"aksid/internal/drill/act"
)

// namespace holds everything that drills make.
const namespace = "default"

// Annotations of services (k8s.io/legacy-cloud-providers/azure).
const (
	internalService = "service.beta.kubernetes.io/azure-load-balancer-internal"
	internalSubnet  = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet"
	addressGroup    = "service.beta.kubernetes.io/azure-load-balancer-resource-group"
)

// createService makes a service of type LoadBalancer and waits until it has its address, or an event says why not.
func (c *Cluster) createService(step act.Step) (string, error) {
	if err := c.runServices(); err != nil {
		return "", err
	}
	uid := types.UID(act.ServiceUID(c.ID, step.Name))
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: step.Name, Namespace: namespace, UID: uid},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.0.0.100", LoadBalancerIP: step.IP, SessionAffinity: corev1.ServiceAffinityNone,
			ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyTypeCluster,
			Ports:                 []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: portOf(uid), TargetPort: intstr.FromInt32(8080), NodePort: 30000 + portOf(uid)%2000}},
		},
	}
	if step.Internal {
		metav1.SetMetaDataAnnotation(&svc.ObjectMeta, internalService, "true")
	}
	if step.Subnet != "" {
		metav1.SetMetaDataAnnotation(&svc.ObjectMeta, internalSubnet, step.Subnet)
	}
	if step.Group != "" {
		metav1.SetMetaDataAnnotation(&svc.ObjectMeta, addressGroup, step.Group)
	}
	services := c.api.CoreV1().Services(namespace)
	if _, err := services.Create(c, svc, metav1.CreateOptions{}); err != nil {
		return "", err
	}
	if err := c.awaitService(step, "EnsuredLoadBalancer"); err != nil {
		return "", err
	}
	return c.awaitAddress(step)
}

// deleteService asks for a service's deletion, as kubectl does: with the finalizer, it is gone when its load balancer is.
func (c *Cluster) deleteService(step act.Step) (string, error) {
	if err := c.runServices(); err != nil {
		return "", err
	}
	services := c.api.CoreV1().Services(namespace)
	svc, err := services.Get(c, step.Name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	now := metav1.Now()
	svc = svc.DeepCopy()
	svc.DeletionTimestamp = &now
	if _, err := services.Update(c, svc, metav1.UpdateOptions{}); err != nil {
		return "", err
	}
	if err = c.awaitService(step, "DeletedLoadBalancer"); err != nil { // it would stay
		err = errors.Join(err, services.Delete(c, step.Name, metav1.DeleteOptions{}))
	}
	return "", err
}

// awaitService waits for the event that says that a service is in order, or for the one that says why it is not.
func (c *Cluster) awaitService(step act.Step, good string) error {
	object := "Service/" + step.Name
	const bad = "SyncLoadBalancerFailed"
	for until := time.Now().Add(step.Within); ; c.record.again() {
		if !c.record.await(time.Until(until), func(r *record) bool { return r.event(object, good, bad) != nil }) {
			return errNothing
		}
		c.record.mu.Lock()
		e := c.record.event(object, bad)
		c.record.mu.Unlock()
		if e == nil {
			return nil
		}
		if step.Persist && !c.record.forbidden() { // the controller tries again by itself
			continue
		}
		c.record.quiet(c) // the provider's own event comes by another way
		return errors.New(e.Message)
	}
}

// awaitAddress is the address that a service has been given; its status is written after the event.
func (c *Cluster) awaitAddress(step act.Step) (string, error) {
	var ip string
	written := poll(c, step.Within, func() bool {
		svc, err := c.api.CoreV1().Services(namespace).Get(c, step.Name, metav1.GetOptions{})
		if err != nil || len(svc.Status.LoadBalancer.Ingress) == 0 {
			return false
		}
		ip = svc.Status.LoadBalancer.Ingress[0].IP
		return true
	})
	if !written {
		return "", errors.New("the service got no address")
	}
	return ip, nil
}

// portOf keeps services that share an address apart.
func portOf(uid types.UID) int32 {
	h := sha256.Sum256([]byte(uid))
	return 1024 + int32(h[0])<<4 + int32(h[1])
}
