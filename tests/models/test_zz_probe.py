from models.case import Case
from sqlalchemy import select
def test_a(world, opened):
    s = opened(world.scope("clerk"))
    assert [c.applicant for c in s.scalars(select(Case))] == ["申请人红鲤"]
def test_b(world, opened):
    s = opened(world.scope("clerk"))
