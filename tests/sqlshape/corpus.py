# SPDX-License-Identifier: Apache-2.0
"""Statements as reporting tools, a film rental's app and a warehouse send them, with literals of every kind.

Written for these tests, in the manner of the usual samples. A literal has `secret` in it, or is a number of 4242s.
"""

from __future__ import annotations

WAREHOUSE = """
SELECT l_flag, l_status, SUM(l_quantity) AS quantity, SUM(l_price * (1 - l_discount)) AS revenue, AVG(l_discount), COUNT(*)
FROM lineitem WHERE l_shipped <= DATE '4242-12-01' - INTERVAL '42424242' DAY AND l_comment NOT LIKE '%secret%packages%'
GROUP BY l_flag, l_status ORDER BY l_flag, l_status;

SELECT s_balance, s_name, n_name, p_key FROM part, supplier, partsupp, nation, region
WHERE p_key = ps_part AND s_key = ps_supplier AND p_size = 42424242 AND p_type LIKE '%secret brass' AND r_name = 'secret east'
AND ps_cost = (SELECT MIN(ps_cost) FROM partsupp, supplier, nation WHERE p_key = ps_part AND r_name = 'secret east')
ORDER BY s_balance DESC LIMIT 42424242;

SELECT o_priority, COUNT(*) FROM orders WHERE o_date >= '4242-07-01' AND EXISTS (SELECT * FROM lineitem WHERE l_order = o_key
AND l_commit < l_receipt) GROUP BY o_priority HAVING COUNT(*) > 42424242;

SELECT year, SUM(CASE WHEN nation = 'secretland' THEN volume ELSE 0 END) / SUM(volume) AS share FROM (SELECT
EXTRACT(YEAR FROM o_date) AS year, l_price * (1 - l_discount) AS volume, n2.n_name AS nation FROM part, lineitem, orders,
nation n1, nation n2 WHERE n2.n_key = s_nation AND o_date BETWEEN '4242-01-01' AND '4242-12-31' AND p_type = 'secret steel')
AS nations GROUP BY year;

SELECT c_count, COUNT(*) AS customers FROM (SELECT c_key, COUNT(o_key) FROM customer LEFT OUTER JOIN orders ON c_key = o_customer
AND o_comment NOT LIKE '%secret%requests%' GROUP BY c_key) AS counted (c_key, c_count) GROUP BY c_count;

WITH revenue (supplier, total) AS (SELECT l_supplier, SUM(l_price) FROM lineitem WHERE l_shipped >= '4242-01-01'
GROUP BY l_supplier) SELECT s_key, total FROM supplier, revenue WHERE s_key = supplier AND total = (SELECT MAX(total) FROM revenue);

SELECT SUM(l_price) FROM lineitem, part WHERE (p_brand = 'secret#12' AND p_container IN ('secret case', 'secret box')
AND l_quantity BETWEEN 4242 AND 4242 + 4242) OR (p_brand = 'secret#23' AND p_size BETWEEN 1 AND 42424242 AND l_mode IN
('secret air', 'secret reg'));

SELECT code, COUNT(*), SUM(balance) FROM (SELECT SUBSTRING(c_phone FROM 1 FOR 2) AS code, c_balance AS balance FROM customer
WHERE SUBSTRING(c_phone FROM 1 FOR 2) IN ('secret13', 'secret31') AND c_balance > -4242.4242) AS sale GROUP BY code;
"""

RENTAL = """
SELECT f.film_id, f.title, GROUP_CONCAT(CONCAT(a.first_name, ' secret ', a.last_name) SEPARATOR ', secret') FROM film f JOIN
film_actor fa ON fa.film_id = f.film_id JOIN actor a USING (actor_id) WHERE f.rental_rate > 4242.42 GROUP BY f.film_id;

INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES ('4242-05-24 22:53:30', 42424242, 42424242, 1),
('4242-05-24 22:54:33', 42424242, 42424242, 2), (NOW(), 42424242, 42424242, NULL);

UPDATE customer SET email = 'secret@example.org', active = 0, last_update = NOW() WHERE customer_id IN (42424242, 42424243);

DELETE FROM payment WHERE amount = 0.42424242 AND payment_date < '4242-01-01' ORDER BY payment_id LIMIT 42424242;

REPLACE INTO staff (staff_id, password) VALUES (42424242, 'it''s secret');

CALL film_in_stock(42424242, 'secret', @count);

SELECT customer_id, SUM(amount) OVER (PARTITION BY customer_id ORDER BY payment_date ROWS 42424242 PRECEDING) FROM payment
WHERE note = 'secret -- no comment' /* secret comment */ AND note <> 'secret /* no comment */' -- secret until here
LIMIT 42424242, 42424242;

CREATE TABLE film_text (film_id SMALLINT NOT NULL DEFAULT 42424242, title VARCHAR(42424242) DEFAULT 'secret');

SET @old = @@sql_mode, sql_mode = 'secret,mode';

GRANT SELECT ON sakila.* TO 'secret'@'secret' IDENTIFIED BY 'secret';
"""

TABLES = {
    "warehouse": ["lineitem", "part", "orders", "part", "customer", "supplier", "lineitem", "customer"],
    "rental": ["film", "rental", "customer", "payment", "staff", "film_in_stock", "payment", "film_text", "", ""],
}


def statements(text: str) -> list[str]:
    """The statements of a corpus, which are parted by empty lines."""
    return [statement.strip() for statement in text.split("\n\n")]
