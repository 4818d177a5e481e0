package sandbox

// AnswerGraphQL answers a request of GraphQL without the network.
func (w *World) AnswerGraphQL(body []byte, authorization string) any {
	q, errs := readQuery(body)
	if len(errs) > 0 {
		return graphQLRefusal(errs...)
	}
	q.rootFields() // as for every call
	return w.graphQL(q, authorization)
}
