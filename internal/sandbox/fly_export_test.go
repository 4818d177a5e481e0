package sandbox

// AnswerGraphQL answers a request of GraphQL without the network.
func (w *World) AnswerGraphQL(body []byte, authorization string) any {
	q, err := readQuery(body)
	if err != nil {
		return flyGraphQLRefusal(err)
	}
	return q.answer(w, authorization)
}
