"""How well a model draws what it is asked: exams, a judge, scores with intervals, reports."""
