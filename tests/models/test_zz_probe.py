import dataclasses, traceback
import sqlalchemy as sa
from sqlalchemy import select, func, exists, literal, union, union_all, update, delete, text, column, table, literal_column, lambda_stmt, MetaData, Table
from sqlalchemy import orm
from sqlalchemy.orm import aliased, Bundle
from models.case import Case
from models.item import Item
from models.account import Account
from models.department import Department
from models.message import Message
from models.event import Event
from flask_appbuilder.security.sqla.models import User, Role as FabRole
from models.declare import Reach

def test_a(world, opened):
    sc = world.scope("clerk")
    C = Case.__table__; I = Item.__table__
    A = aliased(Case); sub = select(Case).subquery(); SA = aliased(Case, sub)
    cte = select(Case.id, Case.applicant).cte()
    probes = {
     "entity": select(Case.applicant),
     "count fn": select(func.count()).select_from(Case),
     "count where only": select(func.count()).where(Case.id > 0),
     "count id": select(func.count(Case.id)),
     "max": select(func.max(Case.id)), "agg": select(func.group_concat(Case.applicant)),
     "label agg": select((func.count(Case.id)+0).label("x")),
     "literal where": select(literal(1)).where(Case.applicant == "申请人白鹤"),
     "legalbasis cross": select(Department.name).where(Case.applicant == "申请人白鹤"),
     "order by only": select(func.count(Department.id)).order_by(func.max(Case.id)),
     "having": select(func.count(Department.id)).having(func.max(Case.id)>1),
     "exists nocol": select(literal(1)).where(exists().where(Case.applicant == "申请人白鹤")),
     "exists col": select(literal(1)).where(exists(Case.id).where(Case.applicant == "申请人白鹤")),
     "exists sel": select(exists(select(Case).where(Case.applicant == "申请人白鹤"))),
     "exists in dept": select(Department.name).where(exists().where(Case.applicant == "申请人白鹤")),
     "exists in dept select 1": select(Department.name).where(select(literal(1)).where(Case.applicant == "申请人白鹤").exists()),
     "in": select(Department.name).where(Department.id.in_(select(Case.department_id))),
     "scalar": select(select(func.count(Case.id)).scalar_subquery()),
     "scalar nocol": select(select(func.count()).where(Case.id>0).scalar_subquery()),
     "alias": select(A.applicant), "subq": select(sub.c.applicant), "subalias": select(SA.applicant), "cte": select(cte.c.applicant),
     "recursive": (lambda r: select(r.c.id))( (lambda b: b.union_all(select(Case.id).where(Case.id>b.c.id)))(select(Case.id).cte(recursive=True))),
     "union": union(select(Case.applicant), select(Item.name)),
     "union_all sub": select(union_all(select(Case.applicant), select(Item.name)).subquery().c.applicant),
     "case union ent": select(aliased(Case, union_all(select(Case), select(Case)).subquery())),
     "sa.join": select(func.count()).select_from(sa.join(Case, Item, Case.item_id==Item.id)),
     "orm.join": select(func.count()).select_from(orm.join(Case, Item, Case.item_id==Item.id)),
     "orm.outerjoin": select(Case.applicant, Item.name).select_from(orm.outerjoin(Department, Case, Case.department_id==Department.id).outerjoin(Item, Item.id==Case.item_id)),
     "join right": select(Department.name).join(Case, Case.department_id==Department.id),
     "join right3": select(Case.applicant).select_from(Department).join(Case, Case.department_id==Department.id),
     "join sub": select(Department.name, sub.c.applicant).join(sub, sub.c.department_id==Department.id),
     "bundle": select(Bundle("b", Case.id, Case.applicant)),
     "lambda": lambda_stmt(lambda: select(Case.applicant)),
     "lateral": select(Department.name, select(Case.applicant).where(Case.department_id==Department.id).limit(1).scalar_subquery()),
     "case expr": select(sa.case((exists().where(Case.applicant=="申请人白鹤"), 1), else_=0)),
     "window": select(func.count().over(), Case.applicant),
     "literal_column": select(literal_column("(select count(*) from \"case\")")),
     "litcol entity": select(Department.id, literal_column("(select count(*) from \"case\")")),
     "table()": select(column("applicant")).select_from(table("case")),
     "other Table": select(Table("case", MetaData(), sa.Column("applicant", sa.String))),
     "aliased core alias": select(aliased(Case, C.alias()).applicant),
     "core": select(C), "corecols": select(C.c.applicant), "corealias": select(C.alias().c.applicant), "coresub": select(select(C).subquery().c.applicant),
     "User": select(User.username), "User count": select(func.count()).select_from(User), "Account": select(Account.username),
     "dml cte": select(update(Case).where(Case.id>0).values(phone="1").returning(Case.id).cte().c.id),
     "tablesample": select(sa.tablesample(Case.__table__, 50)),
     "func exec": func.max(Case.id),
     "desc has": select(Case.applicant).where(Case.item.has(Item.name.contains("鹤"))),
     "Event": select(Event.subject_label),
     "secondary": select(FabRole.name, User.username).join(FabRole.user),
     "values": select(sa.values(sa.column("a", sa.Integer), name="v").data([(1,)])),
     "textual": select(sa.text("1")), "prefix": select(Case.applicant).prefix_with("/*x*/"),
     "where false or": select(Case.applicant).where(sa.or_(sa.true(), Case.id>0)),
     "distinct": select(Case.applicant).distinct(), "none": select(Case.applicant).where(None == Case.phone),
    }
    for name, st in probes.items():
        s = opened(sc)
        try:
            got = [tuple(r) for r in s.execute(st)]
            print("  ", "??" if any(x in str(got) for x in "鹤鹭") or any(isinstance(v,int) and v>1 for r in got for v in r) else "ok", name, str(got)[:150])
        except Exception as e:
            print("   ex", name, type(e).__name__, str(e)[:110].replace("\n"," "))
        s.rollback()
    # wide cases, own items
    wide = dataclasses.replace(sc, reaches={**sc.reaches, "cases": {"list": Reach.all}})
    more = {
     "has": select(Case.applicant).where(Case.item.has(Item.name.contains("鹤"))),
     "has2": select(Case.applicant).where(Case.item.has()),
     "join": select(Case.applicant, Item.name).join(Case.item),
     "outer": select(Case.applicant, Item.name).outerjoin(Case.item),
     "sa.join": select(Case.applicant).select_from(sa.join(Case, Item, Case.item_id==Item.id)),
     "sa.join2": select(Case.applicant, func.length(Item.name)).select_from(sa.join(Case, Item, Case.item_id==Item.id)),
     "where": select(Case.applicant).where(Case.item_id==Item.id, Item.name.contains("鹤")),
     "func": select(func.upper(Item.name)), "fn2": select(func.upper(Item.name), Case.applicant).where(Case.item_id==Item.id),
    }
    for name, st in more.items():
        s = opened(wide)
        try:
            got = [tuple(r) for r in s.execute(st)]
            print("  W", name, str(got)[:150])
        except Exception as e:
            print("  W ex", name, type(e).__name__, str(e)[:110].replace("\n"," "))
    for name, f in {
      "q upd": lambda s: s.query(Case).update({"phone":"7"}, synchronize_session=False),
      "upd": lambda s: s.execute(update(Case).values(phone="7")).rowcount,
      "del": lambda s: s.execute(delete(Message)).rowcount,
      "upd sub": lambda s: s.execute(update(Case).values(phone=select(func.count(Item.id)).scalar_subquery()).returning(Case.phone), ).all(),
      "upd where in": lambda s: s.execute(update(Case).values(phone="7").where(select(func.count(Item.id)).scalar_subquery()==4)).rowcount,
      "upd where exists": lambda s: s.execute(update(Case).values(phone="7").where(exists().where(Item.name.contains("鹤")))).rowcount,
      "upd from": lambda s: s.execute(update(Case).values(phone="7").where(Item.name.contains("鹤"))).rowcount,
      "upd User": lambda s: s.execute(update(User).values(last_name="7")).rowcount,
      "upd list": lambda s: s.execute(update(Case), [{"id":2,"phone":"1"}]).rowcount,
      "upd1": lambda s: s.execute(update(Case), {"id":2,"phone":"1"}).rowcount,
      "upd2": lambda s: s.execute(update(Case), {"phone":"1"}).rowcount,
      "core": lambda s: s.execute(update(C).values(phone="7")).rowcount,
      "get": lambda s: [s.get(Case, i) for i in (1,2,3)],
      "getUser": lambda s: [s.get(User, i) for i in range(1,9)],
      "role.user": lambda s: [[u.username for u in r.user] for r in s.scalars(select(FabRole))],
      "query.get": lambda s: s.query(Case).get(2),
      "query count": lambda s: (s.query(Case).count(), s.query(Case.id).count(), s.query(func.count(Case.id)).scalar()),
      "query core": lambda s: s.query(C).all(),
      "query corecol": lambda s: s.query(C.c.applicant).all(),
      "query exists": lambda s: s.query(s.query(Case).filter(Case.applicant=="申请人白鹤").exists()).scalar(),
      "query text": lambda s: s.query(Case).from_statement(text("select * from \"case\"")).all(),
      "merge": lambda s: (s.merge(Case(id=2, phone="x")), s.flush()),
      "erl": lambda s: (lambda c: (s.enable_relationship_loading(c), c.item))(Case(item_id=3)),
      "pending": lambda s: (lambda c: (s.add(c), c.item))(Case(item_id=3)),
      "bulk": lambda s: s.bulk_save_objects([]), "bulk2": lambda s: s.bulk_insert_mappings(Case, []), "b3": lambda s: s.bulk_update_mappings(Case, []),
      "ins": lambda s: s.execute(sa.insert(Case).values(number="1")),
      "info": lambda s: (s.scalars(select(Case)).all(), s.info.__setitem__("scope", world.scope("outsider")), s.get(Case, 1)),
    }.items():
        s = opened(sc, write=True)
        try: print("  F", name, f(s))
        except Exception as e: print("  F ex", name, type(e).__name__, str(e)[:110].replace("\n"," "))
        s.rollback()
