package sandbox

// AnswerGraphQL executes a GraphQL request without the network.
func (w *World) AnswerGraphQL(body []byte, authorization string) any {
	q, errs := readQuery(body)
	if len(errs) > 0 {
		return graphQLRefusal(errs...)
	}
	q.rootFields() // as every call does
	return w.graphQL(q, authorization)
}
